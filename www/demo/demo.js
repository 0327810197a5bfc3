// The demo: one device of the gateway that served this page. Reads top to bottom:
// settings, client, what the client tells, what the person does.

import { createClient } from '/pulsegate.js';
import { Api, curlLine, loadConfig } from './api.js';
import { Flow } from './flow.js';
import { paintHeartbeat } from './heartbeat.js';
import { device as stored } from './inside.js';
import { MessageList } from './message-list.js';
import { Trace } from './trace.js';

const byId = (id) => document.getElementById(id);
const TOPICS = 'pulsegate-demo-topics';
const STATE_WORDS = { disconnected: 'not connected', connecting: 'connecting', connected: 'connected', offline: 'offline', closed: 'closed' };
const TIER_WORDS = { 'shared-worker': 'shared worker', leader: 'elected tab', ephemeral: 'this tab alone' };

const flow = new Flow();
const trace = new Trace();
const list = new MessageList({ onTakeBack: takeBack });
const topics = new Map();
const firstTopics = JSON.parse(localStorage.getItem(TOPICS) ?? '["news"]');
let wantsLink = true;
let asking = false;
let targetKey = '';
let device = '';

const config = await loadConfig().catch((fault) => {
  problem(`${fault.message}. Start it with: cargo xtask dev`);
  throw fault;
});
const api = new Api(config);
byId('gateway-host').textContent = new URL(config.url).host;

let client = open();
for (const topic of firstTopics) follow(topic);
paintTopics();
paintNotifications();
setInterval(() => { if (!document.hidden) paintLink(); }, 1000);
setInterval(() => { if (!document.hidden) paintBelief(); }, 1000);
setInterval(() => { if (!document.hidden) askFunnels(); }, 1500);

function open() {
  const made = createClient({ url: config.url, app: config.app, onMessage: came, onError: (fault) => problem(sentence(fault)) });
  // Pop-ups also while a person looks at this page: that is what a demo is for.
  made.notifications.foreground = 'always';
  made.on('notificationclick', (click) => {
    list.reach(click.id, 'displayed');
    list.reach(click.id, 'clicked');
    list.announce(`Clicked: ${click.notification.title}`);
  });
  made.on('gap', (gap) => problem(`Something of ${gap.topic ?? gap.log} is missing and will not come (${gap.reason}).`));
  made.on('state', () => paintLink());
  return made;
}

// ---------------------------------------------------------------- what came

function came(message) {
  list.put(message.id, {
    title: message.notification?.title || 'Data for the app',
    body: message.notification?.body || message.body,
    where: message.topic ? `topic ${message.topic}` : 'to this device',
    at: message.published.getTime(),
  });
  list.reach(message.id, 'accepted');
  list.reach(message.id, 'received');
  list.reach(message.id, 'handled');
  list.announce(`${message.notification?.title ?? 'A message'} came`);
  flow.came();
  trace.spike();
}

/** The backend's view: the funnel counts devices, so it also tells of other browsers. */
async function askFunnels() {
  if (asking) return;
  asking = true;
  try {
    for (const id of list.open().slice(-8)) {
      const funnel = await api.funnel(id);
      for (const step of ['accepted', 'received', 'handled', 'displayed', 'clicked']) {
        if (funnel?.[step]) list.reach(id, step, funnel[step]);
      }
    }
  } catch {
    // The gateway is away for a moment; the state of the connection says so already.
  } finally {
    asking = false;
  }
}

async function takeBack(id) {
  try {
    await api.recall(id);
    list.takenBack(id);
  } catch (fault) {
    note(`It could not be taken back: ${fault.message}`, true);
  }
}

// ---------------------------------------------------------------- the connection

function paintLink() {
  const status = client.status;
  const connected = status.state === 'connected';
  const word = STATE_WORDS[status.state] ?? status.state;
  byId('state').dataset.state = status.state;
  setText('state-text', word);
  setText('fact-state', status.reason && !connected ? `${word} (${status.reason})` : word);
  setText('fact-tabs', String(status.tabs ?? 0));
  setText('fact-tier', TIER_WORDS[status.tier] ?? 'none');
  setText('fact-heard', ago(status.lastHeardAt, 'never'));
  setText('fact-beat', ago(status.lastBeatAt, 'none yet'));
  setText('fact-reconnects', String(status.reconnects ?? 0));
  setText('fact-session', status.session || 'none');
  setText('fact-device', status.registration || 'none');
  byId('link-toggle').textContent = wantsLink ? 'Disconnect' : 'Connect';
  flow.connection({ connected, tabs: status.tabs ?? 0, tier: TIER_WORDS[status.tier] });
  trace.update({ connected, heardAt: status.lastHeardAt });
  setText('trace-hint', `the last ${Math.round(trace.span() / 1000)} seconds`);
  paintTargets(status.registration);
}

/** What the heartbeat believes of this network: read from the browser's own storage, as the worker keeps it. */
async function paintBelief() {
  const found = await stored({ url: config.url, app: config.app, user: '' }).catch(() => null);
  paintHeartbeat({ chart: byId('rungs'), words: byId('rungs-words'), list: byId('learnt') }, found?.kept.heartbeat, true);
}

byId('link-toggle').addEventListener('click', async () => {
  wantsLink = !wantsLink;
  if (wantsLink) {
    client = open();
    for (const topic of topics.keys()) follow(topic);
  } else {
    await client.disconnect();
  }
  paintLink();
});

byId('link-forget').addEventListener('click', async () => {
  await client.forget();
  localStorage.removeItem(TOPICS);
  list.clear();
  location.reload();
});

// ---------------------------------------------------------------- notifications

function paintNotifications() {
  const permission = globalThis.Notification?.permission ?? 'missing';
  const words = { granted: 'on', denied: 'blocked', default: 'off', missing: 'not in this browser' };
  byId('notify-state').textContent = words[permission];
  byId('notify-state').dataset.on = permission === 'granted';
  byId('notify-enable').hidden = permission === 'granted' || permission === 'missing';
  if (permission === 'granted') setText('notify-help', 'On. A message pops up also while you look at this page; a click on it comes back to exactly one tab.');
  if (permission === 'denied') setText('notify-help', 'This browser blocks them for this page. Allow them in the settings beside the address, then load the page again.');
}

byId('notify-enable').addEventListener('click', async () => {
  try {
    await client.notifications.enable();
  } catch (fault) {
    problem(sentence(fault));
  }
  paintNotifications();
});

// ---------------------------------------------------------------- topics

function follow(topic) {
  // `onMessage` takes every message; this call is about the subscription.
  const subscription = client.subscribe(topic, () => {});
  topics.set(topic, { ready: false });
  subscription.ready.then(
    () => { topics.set(topic, { ready: true }); paintTopics(); },
    (fault) => { topics.delete(topic); paintTopics(); problem(`${topic}: ${sentence(fault)}`); },
  );
}

async function unfollow(topic) {
  topics.delete(topic);
  paintTopics();
  try {
    await client.unsubscribe(topic);
  } catch (fault) {
    problem(sentence(fault));
  }
}

function paintTopics() {
  const names = [...topics.keys()];
  localStorage.setItem(TOPICS, JSON.stringify(names));
  byId('topic-list').replaceChildren(...names.map((name) => {
    const item = document.createElement('li');
    item.dataset.ready = topics.get(name).ready;
    item.textContent = name;
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: '×' });
    button.setAttribute('aria-label', `Unsubscribe from ${name}`);
    button.addEventListener('click', () => unfollow(name));
    item.append(button);
    return item;
  }));
  if (names.length === 0) byId('topic-list').append(Object.assign(document.createElement('li'), { className: 'none', textContent: 'none' }));
  paintTargets();
}

byId('topic-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId('topic-name');
  const topic = field.value.trim();
  if (topic && !topics.has(topic)) follow(topic);
  field.value = '';
  paintTopics();
});

// ---------------------------------------------------------------- sending

function paintTargets(registration = device) {
  device = registration ?? '';
  const choices = [...topics.keys()].map((topic) => [`topic ${topic}`, { topic }]);
  if (device) choices.push(['this browser', { registration: device }]);
  choices.push(['everyone', { everyone: true }]);
  const key = JSON.stringify(choices);
  if (key === targetKey) return;
  targetKey = key;
  const select = byId('send-target');
  const before = select.value;
  select.replaceChildren(...choices.map(([label, target]) => new Option(label, JSON.stringify(target))));
  if (choices.some(([, target]) => JSON.stringify(target) === before)) select.value = before;
  paintCurl();
}

function paintCurl() {
  byId('curl').textContent = curlLine(config, JSON.parse(byId('send-target').value));
}

byId('send-target').addEventListener('change', paintCurl);

byId('send-form').addEventListener('submit', (event) => {
  event.preventDefault();
  send(1);
});
byId('send-ten').addEventListener('click', () => send(10));

async function send(times) {
  const target = JSON.parse(byId('send-target').value);
  const title = byId('send-head').value.trim() || 'Hello';
  const body = byId('send-body').value;
  const buttons = byId('send-form').querySelectorAll('button');
  for (const button of buttons) button.disabled = true;
  try {
    for (let number = 1; number <= times; number++) {
      const head = times === 1 ? title : `${title} ${number}`;
      const id = await api.publish({ target, notification: { title: head, body, url: location.href }, body });
      list.put(id, { title: head, body, where: byId('send-target').selectedOptions[0]?.textContent });
      list.reach(id, 'accepted');
      flow.accepted();
    }
    note(times === 1 ? 'Accepted: it is on the gateway’s disk.' : `${times} accepted.`);
  } catch (fault) {
    note(`Not accepted: ${fault.message}`, true);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

byId('curl-copy').addEventListener('click', async () => {
  await navigator.clipboard.writeText(byId('curl').textContent);
  byId('curl-copy').textContent = 'Copied';
  setTimeout(() => { byId('curl-copy').textContent = 'Copy'; }, 1500);
});
byId('came-clear').addEventListener('click', () => list.clear());

// ---------------------------------------------------------------- words

function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function note(text, bad = false) {
  byId('send-note').textContent = text;
  byId('send-note').dataset.bad = bad;
}

function problem(text) {
  byId('problem').textContent = text;
  byId('problem').hidden = !text;
}

function sentence(fault) {
  return fault?.code ? `${fault.message} (${fault.code})` : String(fault?.message ?? fault);
}

function ago(at, otherwise) {
  if (!at) return otherwise;
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 90) return `${seconds} s ago`;
  return `${Math.round(seconds / 60)} min ago`;
}
