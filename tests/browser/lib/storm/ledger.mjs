// What was published and what became of it: the judge of a storm.
//
// Everything is numbered in one order, since publisher, judge and the ear for the tabs are one process.
// The promise, exactly:
//   once        A life of a page (from load to unload) handles a message at most once, and those of a
//               log in the order in which they were published.
//   all of it   A page that lives at a quiet point handled every message of its logs that was sent after
//               it said it listened, also what came while it was frozen or in the back/forward cache;
//               nobody is told of a gap.
//   nothing lost  A message to who is logged in, sent after their first page listened, was handled by some
//               page (or shown, where none had a handler) and popped up once (a person) by the next quiet point;
//               a change of user before that ends the claim.
//   not again   A page that was loaded after a quiet point handles nothing that was settled by then.
//   nobody else's  A page handles no message to another user, and no notification of another user stands on
//               the desktop at a quiet point.
//
// What the documents except, or cannot be seen from here, and nothing else:
//   a full disk  What was handled makes room for what comes: a page that was at rest may be told of a gap
//               instead (counted as `told`). And from then until what the worker holds in memory is written,
//               the worker's death takes it along: then what it took along may be handled and shown once
//               more, and a device that was made on the full disk is lost, which `storage-lost` tells.
//   a worker that dies while a pop-up is on its way to the desktop, and no tab that knows of it comes back:
//               nobody can know whether it was seen, so it is left to the handlers (counted as `doubted`).
//   a page that handled a message and went in the same moment: its word may be lost on the debugger's way
//               (counted as `unheard`).
//   a person who comes back after somebody else has a new device, which `storage-lost` tells.

function add(totals, { handled, told }) {
  totals.lives += 1;
  totals.told += told.size;
  totals.handled += handled.size;
}

export class Ledger {
  #order = 0;
  #messages = [];
  #lives = new Map();
  /** The current login: who, and when their first page listened. */
  #era = { user: '', since: Infinity, began: 0 };
  /** When workers may have died with something in their memory alone, and since when it was. */
  #deaths = [];
  /** When pages went, and whether they heard everything: what one said last may have been lost on the debugger's way. */
  #leaves = [];
  /** When any worker may have died. */
  #ends = [];
  /** Since when the disk is full, or was until a moment ago. */
  #full = Infinity;
  /** Whether the disk was full within this login: what made room then is missed later. */
  #wasFull = false;
  /** Who was logged in before. */
  #known = new Set();
  /** Of lives that are over and judged. */
  #past = { lives: 0, handled: 0, told: 0, doubted: 0, unheard: 0 };

  login(user) {
    this.#era = { user, since: Infinity, began: ++this.#order, returns: this.#known.has(user) };
    this.#known.add(user);
    this.#wasFull = this.#full < Infinity;
  }

  /** The disk is full from now on. */
  full() {
    this.#full = Math.min(this.#full, ++this.#order);
    this.#wasFull = true;
  }

  /** It has had room for so long that everything is written. */
  written() {
    this.#full = Infinity;
  }

  get user() {
    return this.#era.user;
  }

  /** Whether a page of who is logged in has listened. */
  get begun() {
    return this.#era.since < Infinity;
  }

  /** A message is about to be published; answers with its number. */
  sending(to, shown) {
    const number = this.#messages.length;
    const user = to === 'topic' ? undefined : to;
    this.#messages.push({ number, user, shown, sent: ++this.#order, era: this.#era, handled: [], settled: false });
    return number;
  }

  /** A page told something. */
  heard({ what, life: id, tab, user, ...said }) {
    const order = ++this.#order;
    let life = this.#lives.get(id);
    if (!life) {
      life = { id, tab, user, loaded: order, since: Infinity, attached: 0, handled: new Map(), gaps: [], rested: [], told: new Set() };
      this.#lives.set(id, life);
    }
    if (what === 'listening') {
      life.since = Math.min(life.since, order);
      life.attached = order;
      if (life.user === this.#era.user) this.#era.since = Math.min(this.#era.since, order);
    } else if (what === 'handled') {
      life.handled.set(said.number, [...(life.handled.get(said.number) ?? []), order]);
      this.#messages[said.number].handled.push(life);
    } else if (what === 'gap') {
      const gap = { order, ...said, full: this.#wasFull, excused: said.reason === 'storage-lost' && this.#mayBeNew(life) };
      life.gaps.push(gap);
      if (!gap.excused) return;
      // A new device: it is there from its own first word that it listens.
      life.since = Infinity;
      if (life.user === this.#era.user && !this.#listensAsNew()) this.#era.since = Infinity;
    } else if (what === 'state' && said.state === 'connected' && life.since < Infinity) life.attached = order;
  }

  /** What a living page itself says it handled, in order: its word counts. */
  confess(id, numbers) {
    const life = this.#lives.get(id);
    const before = life.handled;
    life.handled = new Map();
    for (const number of numbers) {
      life.handled.set(number, [...(life.handled.get(number) ?? []), this.#order]);
      if (!before.has(number)) this.#messages[number].handled.push(life);
    }
  }

  /** The page of this tab goes. */
  leaves(tab) {
    this.#leaves.push({ at: ++this.#order, hears: tab % 2 === 0 });
  }

  /** The page of this tab is frozen or put into the cache from now on. */
  rests(tab) {
    for (const life of this.#lives.values()) if (life.tab === tab) life.rested.push(++this.#order);
  }

  /** A worker may have died now. */
  died() {
    this.#ends.push(++this.#order);
    if (this.#full < Infinity) this.#deaths.push({ at: ++this.#order, since: this.#full });
  }

  /** The page of this tab is woken: from now on it has to attach anew. */
  wakes(tab) {
    for (const life of this.#lives.values()) if (life.tab === tab) life.attached = 0;
  }

  /** Whether this life listens, also after it was woken. */
  listens(id) {
    return (this.#lives.get(id)?.attached ?? 0) > 0;
  }

  /** Whether somebody has to handle this message: who is logged in is there for it. */
  owes(number) {
    return this.#isOwed(this.#messages[number]);
  }

  handledBy(number, id) {
    return this.#lives.get(id)?.handled.has(number) ?? false;
  }

  handled(number) {
    return this.#messages[number].handled.length > 0;
  }

  get totals() {
    const totals = { messages: this.#messages.length, ...this.#past };
    for (const life of this.#lives.values()) add(totals, life);
    return totals;
  }

  #mayBeNew({ user }) {
    return user !== this.#era.user || this.#era.returns || this.#deaths.some(({ at }) => at > this.#era.began);
  }

  /** How often a worker may have forgotten what became of a message. */
  #forgotten({ sent, settled }) {
    return this.#deaths.filter(({ at, since }) => at > sent && !(settled && settled < since)).length;
  }

  /** Whether a page of who is logged in was told already, and listens again. */
  #listensAsNew() {
    return [...this.#lives.values()].some(({ user, since, gaps }) => user === this.#era.user && since < Infinity && gaps.some(({ excused }) => excused));
  }

  #isOwed({ era, sent, user, settled }) {
    return !settled && era === this.#era && sent > era.since && (user === undefined || user === era.user);
  }

  /** At a quiet point: what is wrong; `patient`: a pop-up in doubt may still come. `alive` are the lives that are there; `times` counts pop-ups, `shown` is on the desktop. */
  faults(alive, { times, shown }, patient = false) {
    const faults = [];
    const name = ({ number, user }) => `message ${number} to ${user ?? 'the topic'}`;
    for (const message of this.#messages) {
      if (message.settled) continue;
      const owed = this.#isOwed(message);
      const count = message.shown ? times(message.number) : 0;
      // Where no tab has a handler for it, its pop-up is all there is to do.
      const unheard = !patient && this.#leaves.some(({ at, hears }) => at > message.sent && (hears || message.user === undefined));
      if (owed && message.handled.length === 0 && count === 0 && !unheard) faults.push(`${name(message)} was handled by nobody`);
      // A message to the topic is for each person: the one who logged in later may be shown it too.
      const persons = message.user === undefined && message.era !== this.#era ? 2 : 1;
      if (count > persons + this.#forgotten(message)) faults.push(`${name(message)} popped up ${count} times`);
      const doubted = !patient && message.handled.length > 0 && this.#ends.some((end) => end > message.sent);
      if (owed && message.shown && count === 0 && !doubted) faults.push(`${name(message)} never popped up`);
      if (message.user !== undefined && message.user !== this.#era.user && shown(message.number)) faults.push(`${name(message)} stands on the desktop of ${this.#era.user}`);
    }
    for (const life of this.#lives.values()) this.#judge(life, alive.has(life.id), faults, name);
    return faults;
  }

  #judge(life, alive, faults, name) {
    const who = `tab ${life.tab} (${life.user}, life ${life.id.slice(0, 4)})`;
    const last = new Map();
    for (const [number, times] of life.handled) {
      const message = this.#messages[number];
      if (times.length > 1) faults.push(`${who} handled ${name(message)} ${times.length} times`);
      if (message.user !== undefined && message.user !== life.user) faults.push(`${who} handled ${name(message)}`);
      const forgotten = this.#forgotten(message) > 0;
      if (!forgotten && message.settled && life.loaded > message.settled) faults.push(`${who} handled ${name(message)}, which was settled before it was loaded`);
      if (!forgotten && number < (last.get(message.user) ?? -1)) faults.push(`${who} handled ${name(message)} after ${last.get(message.user)}`);
      last.set(message.user, number);
    }
    if (!alive) return;
    const gaps = life.gaps.filter(({ excused }) => !excused);
    const madeRoom = ({ full }) => full && life.rested.length > 0;
    for (const gap of gaps) if (!madeRoom(gap)) faults.push(`${who} was told of a gap in ${gap.log}: ${gap.reason}`);
    for (const message of this.#messages) {
      const mine = message.user === undefined || (message.user === life.user && !life.only);
      if (message.settled || !mine || message.sent < life.since || life.handled.has(message.number)) continue;
      const log = message.user === undefined ? 'topic:' : 'user:';
      if (gaps.some((gap) => gap.order > message.sent && gap.log.startsWith(log) && madeRoom(gap))) life.told.add(message.number);
      else faults.push(`${who} never handled ${name(message)}`);
    }
  }

  /** Which lives hear the topic only. */
  narrow(id) {
    const life = this.#lives.get(id);
    if (life) life.only = true;
  }

  /** The quiet point is over: what was sent is settled, and whoever died is nobody's business any more. */
  settle(alive, { times }) {
    const order = ++this.#order;
    for (const message of this.#messages) {
      const count = message.shown ? times(message.number) : 0;
      if (this.#isOwed(message) && count === 0) {
        if (message.shown) this.#past.doubted += 1;
        if (message.handled.length === 0) this.#past.unheard += 1;
      }
      message.settled ||= order;
    }
    for (const [id, life] of this.#lives) {
      if (alive.has(id)) continue;
      add(this.#past, life);
      this.#lives.delete(id);
    }
  }
}
