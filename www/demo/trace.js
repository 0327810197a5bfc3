// The pulse of the connection: a flat line while it is open and silent, a spike for everything
// heard from the gateway, dashes while there is no connection.

/** A young page shows its whole life, an older one the last two minutes. */
const SPAN_MS = { least: 20_000, most: 120_000 };
const WIDTH = 480;
const MIDDLE = 34;

export class Trace {
  #svg = document.getElementById('trace');
  #beats = [];
  #spans = [];
  #since = Date.now();

  /** How far back it shows, milliseconds. */
  span(now = Date.now()) {
    return Math.min(SPAN_MS.most, Math.max(SPAN_MS.least, now - this.#since));
  }

  /** Call about once a second with what is known now. */
  update({ connected, heardAt, at = Date.now() }) {
    const last = this.#spans.at(-1);
    if (last && last.connected === connected) last.to = at;
    else this.#spans.push({ connected, from: last?.to ?? at, to: at });
    if (heardAt && heardAt !== this.#beats.at(-1)?.at) this.#beats.push({ at: heardAt, tall: false });
    this.#trim(at);
    this.#draw(at);
  }

  /** A message came: a tall spike. */
  spike(at = Date.now()) {
    this.#beats.push({ at, tall: true });
  }

  #trim(now) {
    this.#beats = this.#beats.filter(({ at }) => at > now - SPAN_MS.most);
    this.#spans = this.#spans.filter(({ to }) => to > now - SPAN_MS.most);
  }

  #draw(now) {
    const span = this.span(now);
    const x = (at) => WIDTH - (Math.min(now - at, span) / span) * WIDTH;
    const paths = this.#spans.map(({ connected, from, to }) => {
      const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      if (!connected) path.setAttribute('class', 'down');
      let d = `M${x(from).toFixed(1)} ${MIDDLE}`;
      if (connected) {
        for (const beat of this.#beats.filter(({ at }) => at >= from && at <= to).sort((a, b) => a.at - b.at)) {
          const up = beat.tall ? 26 : 12;
          const left = x(beat.at).toFixed(1);
          d += `L${left} ${MIDDLE}l1.5 ${-up}l2.5 ${up + up / 3}l1.5 ${-up / 3}`;
        }
      }
      path.setAttribute('d', `${d}L${x(to).toFixed(1)} ${MIDDLE}`);
      return path;
    });
    this.#svg.replaceChildren(...paths);
  }
}
