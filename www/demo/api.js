// What a backend does: publish, look a message up, take it back. Plain HTTP with the server key
// that `pulsegate dev` made for this run. A real page never holds such a key: its backend does.

export async function loadConfig() {
  const answer = await fetch('config.json', { cache: 'no-store' });
  if (!answer.ok) throw new Error(`the gateway did not hand out the demo's settings (HTTP ${answer.status})`);
  return answer.json();
}

export class Api {
  #base;
  #key;

  constructor({ url, app, key }) {
    this.#base = `${url.replace(/\/$/, '')}/v1/apps/${encodeURIComponent(app)}`;
    this.#key = key;
  }

  /** Publishes one message; resolves with its id, rejects with a sentence for the person. */
  async publish(message) {
    const answer = await this.#ask('POST', '/messages', message, { 'idempotency-key': crypto.randomUUID() });
    return (await answer.json()).id;
  }

  /** The funnel of one message, or null once it is unknown. */
  async funnel(id) {
    const answer = await this.#ask('GET', `/messages/${id}`).catch((fault) => {
      if (fault.status === 404) return null;
      throw fault;
    });
    return answer && (await answer.json()).funnel;
  }

  async recall(id) {
    await this.#ask('DELETE', `/messages/${id}`);
  }

  async #ask(method, path, body, extra = {}) {
    const answer = await fetch(this.#base + path, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, ...(body && { 'content-type': 'application/json' }), ...extra },
      body: body && JSON.stringify(body),
    });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    const fault = new Error(problem.detail || problem.title || `HTTP ${answer.status}`);
    fault.status = answer.status;
    throw fault;
  }
}

/** The line a person can paste into a terminal. */
export function curlLine({ url, app, key }, target) {
  const message = { target, notification: { title: 'Hello', body: 'from a terminal' } };
  return `curl -X POST ${url}/v1/apps/${app}/messages \\\n  -H 'Authorization: Bearer ${key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(message)}'`;
}
