// Waiting for something to be so, with a deadline: the only way a test here waits.

/** Polls `probe` until it gives something truthy, and returns that. */
export async function until(what, probe, { within = 15_000, every = 20 } = {}) {
  const end = performance.now() + within;
  let fault;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (caught) {
      fault = caught;
    }
    if (performance.now() > end) throw new Error(`waited ${within} ms in vain for ${what}${fault ? ` (${fault.message})` : ''}`, { cause: fault });
    await new Promise((done) => { setTimeout(done, every); });
  }
}
