// What the browser holds of a device, read from the browser itself: its locks and its database. Nothing
// is kept open, so nobody who wants to delete or upgrade the database waits for this page.

/** The locks of Pulsegate: `{ what, state, name }`, those that are held first. */
export async function locks() {
  if (!navigator.locks) return [];
  const { held, pending } = await navigator.locks.query();
  const ours = (list, state) => list.filter(({ name }) => wordFor(name)).map(({ name, mode }) => ({ name, mode, state, what: wordFor(name) }));
  return [...ours(held, 'held'), ...ours(pending, 'waiting')];
}

function wordFor(name) {
  if (name.startsWith('pulsegate-socket-')) return 'socket';
  if (name.startsWith('pulsegate-tab-')) return 'tab';
  // A worker's life is a bare UUID that its tabs wait for.
  if (/^[0-9a-f-]{36}$/.test(name)) return 'worker';
  return name.startsWith('pulsegate') ? 'other' : '';
}

/** Name of the lock under which the socket of this device is held. */
export const socketLock = (database) => database.replace('pulsegate-', 'pulsegate-socket-');

/** What is stored of the device of this app and person, or null where nothing is. */
export async function device({ url, app, user }) {
  for (const { name } of await indexedDB.databases()) {
    if (!name.startsWith('pulsegate-')) continue;
    const found = await read(name).catch(() => null);
    const config = found?.kept.config;
    if (config?.user === user && config.app === app && config.url === url.replace(/\/$/, '')) return found;
  }
  return null;
}

async function read(name) {
  const db = await open(name);
  try {
    const stores = ['inbox', 'done', 'receipts', 'clicks', 'kv'];
    const tx = db.transaction(stores, 'readonly');
    const store = (of) => tx.objectStore(of);
    const [rows, done, receipts, clicks, names, values] = await Promise.all([
      result(store('inbox').getAll(null, 200)), result(store('done').count()), result(store('receipts').count()), result(store('clicks').count()),
      result(store('kv').getAllKeys()), result(store('kv').getAll()),
    ]);
    const inbox = await result(db.transaction('inbox', 'readonly').objectStore('inbox').count());
    return { name, rows, inbox, done, receipts, clicks, kept: Object.fromEntries(names.map((key, index) => [key, values[index]])) };
  } finally {
    db.close();
  }
}

function open(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    // It vanished between the list and here: it shall not come back empty by our doing.
    request.onupgradeneeded = () => request.transaction.abort();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
