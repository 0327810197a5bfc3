/**
 * Which registration this browser had, kept by the page apart from the worker's database.
 *
 * A browser may throw that database away: a cleared site, or, seen with Chromium, a log cut in the
 * middle of a record by `kill -9`. The worker then starts as a new device and cannot know that there
 * was another one. The page can, and says that something may be missing.
 */
const nameOf = (db: string): string => `pulsegate-had:${db.replace('pulsegate-', '')}`;

/** The registration this browser had, if it is another one than `now`; remembers `now`. */
export function otherBefore(db: string, now: string): boolean {
  try {
    const before = localStorage.getItem(nameOf(db));
    if (before !== now) localStorage.setItem(nameOf(db), now);
    return before !== null && before !== now;
  } catch {
    // Storage is blocked or full: then nothing is known of before.
    return false;
  }
}

/** Logged out: the next registration replaces nothing. */
export function forgetBefore(db: string): void {
  try {
    localStorage.removeItem(nameOf(db));
  } catch {
    // Nothing was kept there either.
  }
}
