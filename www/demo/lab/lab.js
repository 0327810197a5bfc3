// The laboratory. Reads top to bottom: client, handler, what it tells, the switches, the painting.

import './tier.js';
import { Api } from '../api.js';
import { paintHeartbeat } from '../heartbeat.js';
import { device, locks, socketLock } from '../inside.js';
import { person, signIn, token } from './person.js';
import { wanted } from './tier.js';

// After the tier was chosen, as in a browser that never had the better one.
const { createClient } = await import('/pulsegate.js');

const byId = (id) => document.getElementById(id);
const TOPIC = 'lab';
const STATE_WORDS = { disconnected: 'not connected', connecting: 'connecting', connected: 'connected', offline: 'offline', closed: 'closed' };
const TIER_WORDS = { 'shared-worker': 'shared worker', leader: 'elected tab', ephemeral: 'this tab alone' };
const counts = { handled: 0, failed: 0, busy: 0, deaths: 0, sent: 0 };
const handler = { takes: '0', throws: false };
let database = '';

const config = await fetch('/demo/config.json', { cache: 'no-store' }).then((answer) => {
  if (!answer.ok) throw new Error(`the gateway did not hand out the demo's settings (HTTP ${answer.status})`);
  return answer.json();
}).catch((fault) => {
  problem(`${fault.message}. Start it with: cargo xtask dev`);
  throw fault;
});
const api = new Api(config);
const user = person();

const client = createClient({
  url: config.url,
  app: config.app,
  onError: (fault) => write(`error ${fault.code}: ${fault.message}`, true),
  ...(user && { user, getToken: () => token(config, user) }),
});
client.notifications.foreground = 'always';
client.on('state', ({ state, reason }) => {
  // The third within a minute has a word of its own: then the tab waits before it starts another one.
  if (reason?.startsWith('the worker died') || reason === 'worker-crashed') counts.deaths += 1;
  write(`${STATE_WORDS[state]}${reason ? `: ${reason}` : ''}`);
  paintStatus();
  paintCounts();
});
client.on('gap', ({ log, reason }) => write(`something of ${log} may be missing: ${reason}`, true));
client.on('notificationclick', ({ notification }) => write(`clicked: ${notification.title}`));
// The subscription is the device's; what handles is the listener below, which can be taken off.
client.subscribe(TOPIC, () => {}).ready.then(() => write(`subscribed to ${TOPIC}`), (fault) => write(fault.message, true));
let off = client.on('message', handle);

// ---------------------------------------------------------------- this tab's handler

async function handle(message) {
  counts.busy += 1;
  paintCounts();
  try {
    write(`came: ${message.notification?.title ?? message.body}`);
    if (handler.takes === 'never') await new Promise(() => {});
    await new Promise((done) => { setTimeout(done, Number(handler.takes)); });
    if (handler.throws) throw new Error('the switch says so');
    counts.handled += 1;
  } catch (fault) {
    counts.failed += 1;
    throw fault;
  } finally {
    counts.busy -= 1;
    paintCounts();
  }
}

byId('handler-takes').addEventListener('change', ({ target }) => { handler.takes = target.value; });
onSwitch('handler-throws', (on) => { handler.throws = on; });
onSwitch('handler-listens', (on) => {
  off();
  if (on) off = client.on('message', handle);
});

// ---------------------------------------------------------------- sending

byId('send-one').addEventListener('click', () => send(1, { topic: TOPIC }));
byId('send-twenty').addEventListener('click', () => send(20, { topic: TOPIC }));
byId('send-shown').addEventListener('click', () => send(1, { topic: TOPIC }, true));
byId('send-person').addEventListener('click', () => send(1, { user }, true));
byId('send-person').disabled = !user;

async function send(times, target, shown = false) {
  try {
    for (let left = times; left > 0; left--) {
      const body = `number ${++counts.sent}, ${new Date().toLocaleTimeString()}`;
      await api.publish({ target, body, ...(shown && { notification: { title: `From the laboratory, ${body}`, body: 'A notification', url: location.href } }) });
    }
    note(times === 1 ? 'Accepted: it is on the gateway’s disk.' : `${times} accepted.`);
  } catch (fault) {
    note(`Not accepted: ${fault.message}`, true);
  }
}

// ---------------------------------------------------------------- kill and cut

byId('kill-worker').addEventListener('click', async () => {
  if (!database || !navigator.locks) return write('there is no worker with a lock to end', true);
  // A holder whose lock is taken by force stores what it has and ends.
  await navigator.locks.request(socketLock(database), { steal: true }, () => {});
  write('ended the worker');
});

let letGo = () => {};
onSwitch('hold-socket', async (on) => {
  letGo();
  if (!on || !database || !navigator.locks) return;
  const held = new Promise((done) => { letGo = done; });
  write('holding the socket’s lock');
  // Taken from us in turn by a client that takes us for a worker that hung.
  await navigator.locks.request(socketLock(database), { steal: true }, () => held).catch(() => write('the lock was taken back', true));
});

onSwitch('go-offline', (on) => {
  Object.defineProperty(navigator, 'onLine', { get: () => !on, configurable: true });
  dispatchEvent(new Event(on ? 'offline' : 'online'));
});

byId('drop-database').addEventListener('click', () => {
  if (!database) return;
  const request = indexedDB.deleteDatabase(database);
  request.onsuccess = () => write('threw the database away');
});

byId('drop-all').addEventListener('click', async () => {
  if (!database || !navigator.locks) return;
  const name = database;
  // Under the lock, so that no worker writes anew what is being thrown away.
  await navigator.locks.request(socketLock(name), { steal: true }, async () => {
    await new Promise((done, fail) => { Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: fail }); });
    await caches.delete(name);
  });
  write('cleared the device');
});

byId('tab-open').addEventListener('click', () => { window.open(location.href, '_blank', 'noopener'); });
byId('forget').addEventListener('click', async () => {
  await client.forget();
  write('forgotten; reload for a new device');
});
byId('notify-enable').addEventListener('click', () => client.notifications.enable().then(() => write('notifications are on'), (fault) => write(fault.message, true)));
for (const button of byId('person-choice').children) {
  button.setAttribute('aria-pressed', String(button.dataset.user === user));
  button.addEventListener('click', () => signIn(button.dataset.user));
}
for (const link of byId('tier-choice').children) link.setAttribute('aria-current', String(link.dataset.tier === wanted));

function onSwitch(id, turned) {
  const button = byId(id);
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-checked') !== 'true';
    button.setAttribute('aria-checked', String(on));
    turned(on);
  });
}

// ---------------------------------------------------------------- painting

function paintStatus() {
  const { state, tier, tabs, reconnects, lastHeardAt } = client.status;
  byId('state').dataset.state = state;
  setText('state-text', STATE_WORDS[state] ?? state);
  setText('fact-tier', TIER_WORDS[tier] ?? 'none');
  setText('fact-tabs', String(tabs ?? 0));
  setText('fact-user', { ann: 'Ann', bob: 'Bob' }[user] ?? 'nobody');
  setText('fact-reconnects', String(reconnects ?? 0));
  setText('fact-heard', lastHeardAt ? clock(lastHeardAt) : 'never');
  setText('tier-hint', wanted && tier && tier !== wanted ? `asked for ${TIER_WORDS[wanted]}` : '');
}

function paintCounts() {
  setText('count-busy', String(counts.busy));
  setText('count-handled', String(counts.handled));
  setText('count-failed', String(counts.failed));
  setText('count-deaths', String(counts.deaths));
}

async function paintInside() {
  const found = await device({ url: config.url, app: config.app, user }).catch(() => null);
  if (found) database = found.name;
  const { rows = [], inbox = 0, done = 0, receipts = 0, clicks = 0, kept = {} } = found ?? {};
  setText('device-db', found ? found.name : 'nothing stored');
  setText('count-inbox', String(inbox));
  setText('count-done', String(done));
  setText('count-receipts', String(receipts));
  setText('count-shown', String(rows.filter(({ p }) => p).length));
  setText('count-clicks', String(clicks));
  setText('fact-kept', found ? 'on the disk' : 'in memory');
  setText('fact-generation', kept.generation ? String(kept.generation) : 'none');
  setText('fact-holder', kept.holder ? String(kept.holder) : 'none');
  setText('fact-registration', kept.identity?.registration || client.status.registration || 'none');
  setText('fact-cursors', Object.entries(kept.cursors ?? {}).map(([log, [epoch, seq]]) => `${log} ${epoch}:${seq}`).join(', ') || 'none');
  setText('fact-topics', kept.topics?.join(', ') || 'none');
  byId('inbox-empty').hidden = rows.length > 0;
  byId('inbox-table').hidden = rows.length === 0;
  byId('inbox-rows').replaceChildren(...rows.map(row));
  setText('inbox-hint', inbox > rows.length ? `the first ${rows.length} of ${inbox}` : 'stored, and not yet done with');
  paintHeartbeat({ chart: byId('rungs'), words: byId('rungs-words'), list: byId('learnt') }, kept.heartbeat, !document.hidden);
  const all = await locks();
  byId('locks').replaceChildren(...all.map(lock));
}

function row({ n, body, note: shown, log, h, p }) {
  const line = document.createElement('tr');
  const cells = [String(n), shown?.title || body, log].map((text) => Object.assign(document.createElement('td'), { textContent: text }));
  const state = document.createElement('td');
  state.append(mote(h ? 'handled' : 'waiting', h ? 'handled' : 'waits for a handler'));
  if (p) state.append(' ', mote('popup', 'pop-up open'));
  line.append(...cells, state);
  return line;
}

function lock({ what, state, mode, name }) {
  const words = { socket: 'The one socket', tab: 'A tab’s life', worker: 'A worker’s life', other: 'Another lock' };
  const line = document.createElement('li');
  const label = Object.assign(document.createElement('span'), { textContent: words[what] });
  const code = Object.assign(document.createElement('code'), { textContent: name });
  line.append(label, mote(state, state === 'held' ? 'held' : `waited for${mode === 'shared' ? ', shared' : ''}`), code);
  line.dataset.what = what;
  return line;
}

function mote(kind, text) {
  const element = Object.assign(document.createElement('span'), { className: 'mote', textContent: text });
  element.dataset.kind = kind;
  return element;
}

function write(text, bad = false) {
  const line = document.createElement('li');
  const at = new Date();
  const time = Object.assign(document.createElement('time'), { textContent: at.toLocaleTimeString(), dateTime: at.toISOString() });
  line.append(time, Object.assign(document.createElement('span'), { textContent: text }));
  line.dataset.bad = bad;
  byId('diary').prepend(line);
  while (byId('diary').childElementCount > 200) byId('diary').lastElementChild.remove();
}
byId('diary-clear').addEventListener('click', () => byId('diary').replaceChildren());

/** To the millisecond: a probe is answered within a few. */
const clock = (at) => `${new Date(at).toLocaleTimeString('en-GB')}.${String(at % 1000).padStart(3, '0')}`;

function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function note(text, bad = false) {
  byId('send-note').textContent = text;
  byId('send-note').dataset.bad = bad;
}

function problem(text) {
  byId('problem').textContent = text;
  byId('problem').hidden = !text;
}

paintStatus();
paintCounts();
let looking = false;
async function look() {
  if (document.hidden || looking) return;
  looking = true;
  await paintInside().finally(() => { looking = false; });
  paintStatus();
}
setInterval(look, 1000);
await look();
