/** Who used this app in this browser: when somebody else comes, what the ones before had is wiped. */
import type { Config } from '../port/protocol.js';
import { committed, nameOf, openDatabase, result } from './idb.js';

/** Name of the lock under which a device's socket and database are held, over all tiers and versions. */
export const socketLock = (key: string): string => `pulsegate-socket-${key}`;

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open('pulsegate', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('users');
  return result(request).then((db) => {
    db.onversionchange = () => db.close();
    return db;
  });
}

/** Whether the device of `key` asked to be forgotten and has no confirmation yet: its secret is needed for that. */
async function forgetting(key: string): Promise<boolean> {
  const db = await openDatabase(nameOf(key), () => undefined);
  const value = await result(db.transaction('kv').objectStore('kv').get('forgetting'));
  db.close();
  return value === true;
}

/**
 * Notes that `config.user` uses the app now. Of everybody who did before, `changed` hears the name of
 * the database, which is deleted as soon as no worker holds it. They are remembered until that is
 * done and `changed` answered that a tab did what it means, which is asked again until then: this
 * worker may not live to see it. Not `came`:
 * only the worker is another one, which changes nothing about who came last.
 */
export async function noteUser(config: Config, key: string, changed: (database: string) => Promise<boolean>, came = true): Promise<void> {
  const place = `${config.url} ${config.app}`;
  const users = (db: IDBDatabase) => db.transaction('users', 'readwrite').objectStore('users');
  const db = await open();
  const all = users(db);
  const last = (await result(all.get(place))) as string | undefined;
  // Under the place who is there now, and under each key its place.
  if (came || !last) all.put(key, place);
  all.put(place, key);
  const [names, places] = await Promise.all([result(all.getAllKeys()), result(all.getAll())]);
  await committed(all.transaction);
  db.close();
  if (came && last !== key) {
    // Second copies of others: those of an app that lives get a new one, of nobody else anything stays.
    const copies = await caches.keys().catch(() => []);
    for (const copy of copies) if (/^pulsegate-/.test(copy) && copy !== nameOf(key)) void caches.delete(copy);
  }
  for (const [i, name] of names.entries()) {
    const other = name as string;
    if (places[i] !== place || other === key) continue;
    const lock = socketLock(other);
    const wipe = () =>
      navigator.locks.request(lock, { mode: 'shared' }, async () => {
        // Where there is no SharedWorker its tabs wait in this line too, and live: after them.
        const { pending = [] } = await navigator.locks.query();
        if (pending.some(({ name, mode }) => name === lock && mode === 'exclusive')) return void wipe();
        const again = await open();
        if ((await result(users(again).get(place))) === key && !(await forgetting(other))) {
          if (!(await changed(nameOf(other)))) void wipe();
          else {
            await result(indexedDB.deleteDatabase(nameOf(other)));
            await caches.delete(nameOf(other)).catch(() => false);
            await result(users(again).delete(other));
          }
        }
        again.close();
      });
    void wipe();
  }
}
