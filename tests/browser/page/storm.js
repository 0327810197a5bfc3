// A tab in a storm: it tells whatever it hears at once, through the debugger's binding `hear`, so that
// what it heard is known also when it dies in the next moment.
//   tier   leader: as if this browser had no SharedWorker; ephemeral: no Web Locks either
//   only   a handler for the topic alone; else one for everything
//   throws its handler fails on every fifth message

const ask = new URLSearchParams(location.search);
const user = ask.get('user');
const life = crypto.randomUUID();
const say = (what, detail = {}) => globalThis.hear(JSON.stringify({ what, life, tab: Number(ask.get('tab')), user, ...detail }));
if (ask.has('tier')) delete globalThis.SharedWorker;
if (ask.get('tier') === 'ephemeral') Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined, configurable: true });
const { createClient } = await import('/pulsegate.js');

let count = 0;
// What is said in the moment a page leaves may get lost on the debugger's way: one that comes back is asked.
const handled = [];
const handle = async (message) => {
  count += 1;
  handled.push(Number(message.body));
  say('handled', { number: Number(message.body), log: message.log });
  if (ask.has('throws') && count % 5 === 0) throw new Error('this handler fails now and then');
  // Handlers take a while, and not all the same.
  if (count % 3 === 0) await Promise.resolve();
};
const client = createClient({
  url: ask.get('url'),
  app: 'shop',
  user,
  getToken: async () => (await fetch(`/token?${new URLSearchParams({ user })}`)).text(),
  onError: (fault) => say('error', { code: fault.code, text: fault.message }),
  ...(!ask.has('only') && { onMessage: handle }),
});
client.notifications.foreground = 'always';
client.on('gap', ({ log, reason }) => say('gap', { log, reason }));
client.on('state', ({ state, reason, tier }) => say('state', { state, reason, tier }));
const subscription = client.subscribe(ask.get('topic'), ask.has('only') ? handle : () => {});
// Said on every attachment to a worker: from here on the tab listens, again.
subscription.on('subscribed', ({ recovered }) => say('listening', { recovered }));
globalThis.storm = { life, client, handled };
