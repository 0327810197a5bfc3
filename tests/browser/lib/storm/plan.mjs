// What happens in a storm, from its seed alone: a list of events, each with the messages published
// before it and what is waited for. The same seed gives the same list, on every machine.

export const TABS = 8;

/** How often each kind is drawn, against the others that are possible just then. */
const WEIGHTS = {
  open: 14, close: 7, front: 8, freeze: 8, resume: 8, reload: 8, away: 8, back: 10,
  crash: 3, kill: 3, cut: 6, offline: 3, restart: 3, expire: 4, user: 2, quota: 2,
};
/** Which state of a tab an event needs, and which one it leaves. */
const TAB_EVENTS = {
  open: ['closed', 'live'], close: ['live', 'closed'], front: ['live', 'live'], freeze: ['live', 'frozen'], resume: ['frozen', 'live'],
  reload: ['live', 'live'], away: ['live', 'away'], back: ['away', 'live'], crash: ['live', 'closed'],
};
/** What begins and, some events later, ends. */
const SPELLS = { offline: 'online', quota: 'room' };

/** Mulberry32: 32 bits of state are plenty for a list of events. */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { below: (bound) => Math.floor(next() * bound), chance: (share) => next() < share };
}

/**
 * The events of a seed: `{ kind, tab, how, messages, wait }`. `messages` are published first, one
 * after the other: to the topic, to the user who is there, or to the other one. `wait` is what the
 * event waits for after them: nothing, their acceptance, or that a tab handled the last one.
 */
export function plan(seed, count) {
  const { below, chance } = random(seed);
  const tabs = Array(TABS).fill('live');
  const spells = new Map();
  const pick = (state) => {
    const fitting = tabs.flatMap((now, tab) => (now === state ? [tab] : []));
    return fitting.length > 0 ? fitting[below(fitting.length)] : undefined;
  };
  const kind = () => {
    const possible = Object.entries(WEIGHTS).filter(([name]) => {
      if (SPELLS[name]) return !spells.has(name);
      return !TAB_EVENTS[name] || tabs.includes(TAB_EVENTS[name][0]);
    });
    let at = below(possible.reduce((sum, [, weight]) => sum + weight, 0));
    return possible.find(([, weight]) => (at -= weight) < 0)[0];
  };
  const message = () => ({ to: ['topic', 'topic', 'user', 'user', 'other'][below(5)], shown: chance(0.2) });

  return Array.from({ length: count }, () => {
    const messages = Array.from({ length: below(4) }, message);
    const wait = ['nothing', 'accepted', 'handled'][below(3)];
    const over = [...spells].find(([, left]) => left === 0)?.[0];
    for (const [name, left] of spells) spells.set(name, left - 1);
    if (over) {
      spells.delete(over);
      return { kind: SPELLS[over], messages, wait: 'accepted' };
    }
    const name = kind();
    const event = { kind: name, messages, wait: spells.has('offline') && wait === 'handled' ? 'accepted' : wait };
    if (SPELLS[name]) spells.set(name, 2 + below(6));
    if (TAB_EVENTS[name]) {
      const [from, to] = TAB_EVENTS[name];
      event.tab = pick(from);
      tabs[event.tab] = to;
    }
    // Where each tab has a worker: one of them, or all.
    if (name === 'kill') Object.assign(event, chance(0.7) ? { tab: pick('live'), how: 'its worker' } : { how: 'every worker' });
    if (name === 'restart') event.how = chance(0.5) ? 'SIGKILL' : 'SIGTERM';
    // The next token is over already, or makes the gateway ask for another one within a second.
    if (name === 'expire') event.how = chance(0.5) ? 'expired' : 'short';
    // Whoever logs in meets every tab: frozen ones wake, those elsewhere come to the app anew.
    if (name === 'user') tabs.forEach((state, tab) => { if (state !== 'closed') tabs[tab] = 'live'; });
    // Somebody has to hear what is waited for.
    if (event.wait === 'handled' && !tabs.includes('live')) event.wait = 'accepted';
    return event;
  });
}

/** An event as a line of a report, with the numbers of its messages; a star: a notification. */
export function tell({ kind, tab, how, messages, wait }, numbers) {
  const sent = messages.map(({ to, shown }, index) => `${to} ${numbers[index]}${shown ? '*' : ''}`).join(', ');
  return `${[kind, tab, how].filter((word) => word !== undefined).join(' ')}${sent && `  after ${sent}`}${wait === 'nothing' ? '' : `, ${wait}`}`;
}
