// An app's page under test. The address says what it does:
//   app, url      the gateway            topic=a&topic=b   subscriptions
//   user          asks /token for one    foreground        policy
//   idle          no handler at all      worker            where the worker script is
//   quick         handled without telling the server
//   canary        tells when the browser has no database of this origin
//   narrow        hears its topics alone, not every message
//   tier          leader: without SharedWorker, ephemeral: without Web Locks, in this tab alone
//   later         starts when the test says `pg.start()`
// A test may set `pg.before` (awaited first by the handler) and `pg.getToken`.
// What it heard is in `window.pg`, and written down by the app's server before a handler returns,
// so that a killed browser leaves a record.

import { createClient, UnauthorizedError } from '/pulsegate.js';

const ask = new URLSearchParams(location.search);
// The package does nothing on import: what is missing when the client is made is missing.
if (ask.get('tier') === 'leader') delete globalThis.SharedWorker;
if (ask.get('tier') === 'ephemeral') delete Navigator.prototype.locks;
const name = ask.get('name') ?? 'page';
const pg = { got: [], clicks: [], errors: [], gaps: [], states: [], subscribed: [], tokens: 0, subs: {} };
globalThis.pg = pg;

const tell = (what, detail) => fetch(`/heard?${new URLSearchParams({ what, name })}`, { method: 'POST', body: JSON.stringify(detail) });

const options = {
  url: ask.get('url'),
  app: ask.get('app') ?? 'shop',
  onError: (fault) => { pg.errors.push({ code: fault.code, message: fault.message }); },
};
if (ask.has('worker')) options.workerUrl = ask.get('worker');
if (ask.has('user')) {
  options.user = ask.get('user');
  options.getToken = async (request) => {
    pg.tokens++;
    if (pg.getToken) return pg.getToken(request);
    const { why } = request;
    const answer = await fetch(`/token?${new URLSearchParams({ user: ask.get('user'), why })}`);
    if (answer.status === 401) throw new UnauthorizedError();
    return answer.text();
  };
}
let order = 0;
const handle = async (message) => {
  // What is told in parallel may arrive in another order than it came here.
  const came = { life: performance.timeOrigin, order: ++order };
  const heard = { id: message.id, log: message.log, topic: message.topic, body: message.body, title: message.notification?.title, ...came };
  pg.began = (pg.began ?? 0) + 1;
  if (pg.before) await pg.before(heard);
  if (!ask.has('quick')) await tell('message', heard);
  pg.got.push(heard);
};
// Without a handler in this tab a message is unhandled here, and may only be shown.
if (!ask.has('idle') && !ask.has('narrow')) options.onMessage = handle;

if (ask.has('canary')) {
  // Chromium keeps one store for all databases of an origin: where this one is gone they all are.
  indexedDB.open('canary').onupgradeneeded = () => { tell('no-database', {}); };
}

pg.options = options;
pg.UnauthorizedError = UnauthorizedError;
pg.start = () => {
  const client = createClient(options);
  pg.client = client;
  if (ask.has('foreground')) client.notifications.foreground = ask.get('foreground');
  client.on('state', ({ state, reason }) => pg.states.push(reason ? `${state}:${reason}` : state));
  client.on('gap', (gap) => {
    pg.gaps.push(gap);
    tell('gap', { ...gap, registration: client.status.registration });
  });
  client.on('notificationclick', async (click) => {
    pg.clicks.push({ id: click.id, action: click.action, url: click.url });
    await tell('click', { id: click.id, action: click.action });
  });
  for (const topic of ask.getAll('topic')) pg.subscribe(topic);
  return client;
};

pg.subscribe = (topic, more) => {
  const subscription = pg.client.subscribe(topic, ask.has('narrow') ? handle : () => {}, more);
  subscription.on('subscribed', (event) => pg.subscribed.push(event));
  pg.subs[topic] = 'asked';
  subscription.ready.then(() => { pg.subs[topic] = 'ready'; }, (fault) => { pg.subs[topic] = fault.code; });
};

/** True once the connection stands and every subscription of the address is stored. */
pg.ready = () => pg.client.status.state === 'connected' && Object.values(pg.subs).every((state) => state === 'ready');
pg.titles = () => pg.got.map(({ title, body }) => title ?? body);

if (!ask.has('later')) pg.start();
pg.loaded = true;
