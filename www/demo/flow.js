// The picture of the way a message takes: beads on two wires, tabs as small shapes, two counts.

const calm = matchMedia('(prefers-reduced-motion: reduce)');

function bead(wire) {
  if (calm.matches || document.hidden) return;
  const element = document.createElement('span');
  element.className = 'bead';
  wire.append(element);
  const upright = wire.clientHeight > wire.clientWidth;
  const way = upright ? `translateY(${wire.clientHeight}px)` : `translateX(${wire.clientWidth}px)`;
  element.animate([{ transform: 'none', opacity: 1 }, { transform: way, opacity: 1 }], { duration: 520, easing: 'cubic-bezier(.5,0,.3,1)' })
    .finished.finally(() => element.remove());
}

export class Flow {
  #publish = document.getElementById('wire-publish');
  #socket = document.getElementById('wire-socket');
  #accepted = 0;
  #came = 0;

  accepted() {
    document.getElementById('count-accepted').textContent = ++this.#accepted;
    bead(this.#publish);
  }

  came() {
    document.getElementById('count-came').textContent = ++this.#came;
    bead(this.#socket);
  }

  connection({ connected, tabs, tier }) {
    this.#socket.dataset.open = connected;
    const shapes = Array.from({ length: Math.min(tabs, 10) }, () => document.createElement('i'));
    if (tabs > 10) shapes.push(Object.assign(document.createElement('i'), { className: 'more', textContent: `+${tabs - 10}` }));
    const row = document.getElementById('tab-row');
    if (row.childElementCount !== shapes.length) row.replaceChildren(...shapes);
    const text = !connected ? 'not connected' : `${tabs} ${tabs === 1 ? 'tab' : 'tabs'}, one connection${tier ? ` (${tier})` : ''}`;
    const label = document.getElementById('tab-text');
    if (label.textContent !== text) label.textContent = text;
  }
}
