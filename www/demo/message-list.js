// What came, newest first, and how far each message got. A row is made by whoever hears of the
// message first: the send box (accepted) or the connection (received).

const KEPT = 40;
const STEPS = ['accepted', 'received', 'handled', 'displayed', 'clicked'];
const STORE = 'pulsegate-demo-messages';

export class MessageList {
  #rows = new Map();
  #list = document.getElementById('came-list');
  #empty = document.getElementById('came-empty');
  #live = document.getElementById('came-live');
  #template = document.getElementById('message-template');
  #onTakeBack;

  constructor({ onTakeBack }) {
    this.#onTakeBack = onTakeBack;
    // A reload keeps what this tab has seen: handled messages do not come a second time.
    for (const row of JSON.parse(sessionStorage.getItem(STORE) ?? '[]').reverse()) this.#show(row);
  }

  /** Adds a message or completes what is known of it. */
  put(id, known) {
    const row = this.#rows.get(id);
    if (row) Object.assign(row.facts, known);
    const shown = row ?? this.#show({ id, at: Date.now(), steps: {}, ...known });
    this.#paint(shown);
    this.#save();
  }

  /** Marks a step as reached by `count` devices. A step that was reached stays so. */
  reach(id, step, count = 1) {
    const row = this.#rows.get(id);
    if (!row || !STEPS.includes(step)) return;
    row.facts.steps[step] = Math.max(row.facts.steps[step] ?? 0, count);
    this.#paint(row);
    this.#save();
  }

  announce(text) {
    this.#live.textContent = text;
  }

  takenBack(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    row.facts.takenBack = true;
    this.#paint(row);
    this.#save();
  }

  /** Ids whose story may go on: not clicked, not taken back, younger than ten minutes. */
  open() {
    const since = Date.now() - 600_000;
    return [...this.#rows.values()].filter(({ facts }) => facts.at > since && !facts.steps.clicked && !facts.takenBack).map(({ facts }) => facts.id);
  }

  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    this.#save();
  }

  #show(facts) {
    const element = this.#template.content.firstElementChild.cloneNode(true);
    const row = { facts, element };
    element.querySelector('.link').addEventListener('click', () => this.#onTakeBack(facts.id));
    this.#rows.set(facts.id, row);
    this.#list.prepend(element);
    this.#empty.hidden = true;
    if (this.#rows.size > KEPT) {
      const [oldest] = this.#rows.keys();
      this.#rows.get(oldest).element.remove();
      this.#rows.delete(oldest);
    }
    this.#paint(row);
    return row;
  }

  #paint({ facts, element }) {
    element.querySelector('h3').textContent = facts.title || '(no title)';
    element.querySelector('.message-body').textContent = facts.body ?? '';
    const time = element.querySelector('time');
    time.dateTime = new Date(facts.at).toISOString();
    time.textContent = new Date(facts.at).toLocaleTimeString();
    element.querySelector('.message-where').textContent = facts.takenBack ? 'taken back' : (facts.where ?? '');
    element.dataset.takenBack = Boolean(facts.takenBack);
    element.querySelector('.link').hidden = Boolean(facts.takenBack);
    for (const step of element.querySelectorAll('[data-step]')) {
      const count = facts.steps[step.dataset.step] ?? 0;
      step.dataset.done = count > 0;
      step.textContent = count > 1 ? `${step.dataset.step} ${count}` : step.dataset.step;
      step.setAttribute('aria-label', `${step.dataset.step}: ${count > 0 ? 'yes' : 'not yet'}`);
    }
  }

  #save() {
    sessionStorage.setItem(STORE, JSON.stringify([...this.#rows.values()].map(({ facts }) => facts).reverse()));
  }
}
