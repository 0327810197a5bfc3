// What the heartbeat believes of this network, read from the row that the core keeps of it: how sure it is of each
// silence, the one it stands on, the one it tries, and what it learnt while this page looked on.

/** The rungs of the ladder, seconds, under version 1 of the row. */
const RUNGS = [20, 40, 50, 55, 70, 95, 115, 170, 230, 285, 340, 440, 580, 880, 1180, 1770];
const VERSION = 1;
const SURE = 0.95;
/** Half a day, and a death in beats: what an experiment has to be worth. */
const HORIZON = 43_200;
const DEATH = 80;
/** The balanced profile: by day, and while a person looks. */
const CAPS = { hidden: 580, visible: 115 };

/** The network in use of the row, `{ name, weights }`, or null where there is none. */
export function network(row) {
  if (!row?.length || row[0] !== VERSION) return null;
  const bytes = Uint8Array.from(row);
  const view = new DataView(bytes.buffer);
  let found = null;
  for (let at = 1; at < bytes.length;) {
    const key = at + 1;
    const weights = key + bytes[at] + 4;
    found = {
      name: new TextDecoder().decode(bytes.subarray(key, key + bytes[at])),
      weights: RUNGS.map((_, rung) => view.getFloat32(weights + 4 * rung, true)),
    };
    at = weights + 4 * RUNGS.length;
  }
  return found;
}

/** How sure it is of each rung, the rung it stands on under a cap, and the one worth a try, or -1. */
export function choose(weights, cap) {
  let sum = 0;
  const safe = weights.map(() => 0);
  for (let rung = weights.length - 1; rung >= 0; rung -= 1) safe[rung] = sum += weights[rung];
  const under = (rung) => RUNGS[rung] <= cap;
  let base = 0;
  safe.forEach((share, rung) => { if (under(rung) && share >= SURE) base = rung; });
  let best = 0;
  let tries = -1;
  for (let rung = base + 1; rung < RUNGS.length && under(rung); rung += 1) {
    const worth = safe[rung] * HORIZON * (1 / RUNGS[base] - 1 / RUNGS[rung]) - (1 - safe[rung]) * DEATH;
    if (worth > best) { best = worth; tries = rung; }
  }
  return { safe, base, tries };
}

/** What two beliefs of one network, one after the other, say was learnt in between. */
export function learnt(before, after) {
  const sure = (weights) => choose(weights, Infinity).safe;
  const [old, now] = [sure(before), sure(after)];
  const moved = now.map((share, rung) => share - old[rung]);
  const most = moved.reduce((far, by, rung) => (Math.abs(by) > Math.abs(moved[far]) ? rung : far), 0);
  if (Math.abs(moved[most]) < 0.005) return '';
  if (moved[most] > 0) return `silence survived: ${RUNGS[most]} s is ${percent(now[most])} sure`;
  return `a path died: ${RUNGS[most]} s is ${percent(now[most])} sure, and was ${percent(old[most])}`;
}

const percent = (share) => `${Math.round(share * 100)} %`;

let last = null;

/** Paints the chart and adds to the list. `row`: as stored; `visible`: a tab is looked at. */
export function paintHeartbeat({ chart, words, list }, row, visible) {
  const now = network(row);
  words.textContent = 'nothing learnt yet';
  if (!now) return;
  const { safe, base, tries } = choose(now.weights, visible ? CAPS.visible : CAPS.hidden);
  const tried = visible ? -1 : tries;
  words.textContent = tried < 0 ? `asks for ${RUNGS[base]} s of silence` : `is sure of ${RUNGS[base]} s and tries ${RUNGS[tried]} s`;
  if (last?.name === now.name) {
    const text = learnt(last.weights, now.weights);
    if (text) list.prepend(line(text));
    while (list.childElementCount > 6) list.lastElementChild.remove();
  }
  last = now;
  chart.replaceChildren(...safe.map((share, rung) => bar(share, rung, rung === base ? 'base' : rung === tried ? 'tried' : '')));
}

function bar(share, rung, kind) {
  const column = document.createElement('li');
  const height = Object.assign(document.createElement('i'), { title: `${RUNGS[rung]} s is ${percent(share)} sure` });
  height.style.setProperty('--share', share);
  column.append(height, Object.assign(document.createElement('span'), { textContent: String(RUNGS[rung]) }));
  column.dataset.kind = kind;
  return column;
}

function line(text) {
  const entry = document.createElement('li');
  const at = new Date();
  entry.append(Object.assign(document.createElement('time'), { textContent: at.toLocaleTimeString(), dateTime: at.toISOString() }), ` ${text}`);
  return entry;
}
