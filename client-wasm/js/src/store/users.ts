/** Who used this app in this browser last: when that changes, what the other one had is wiped. */
import type { Config } from '../port/protocol.js';
import { committed, nameOf, result } from './idb.js';

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

/**
 * Notes that `config.user` uses the app now. If somebody else did, `changed` hears the name of their
 * database, and it is deleted as soon as no worker holds it.
 */
export async function noteUser(config: Config, key: string, changed: (database: string) => void): Promise<void> {
  const place = `${config.url} ${config.app}`;
  const db = await open();
  const tx = db.transaction('users', 'readwrite');
  const users = tx.objectStore('users');
  // The other one's key: of their database, and of the lock under which it is held.
  const last = (await result(users.get(place))) as string | undefined;
  users.put(key, place);
  await committed(tx);
  db.close();
  if (last === key) return;
  // Second copies of others: those of an app that lives get a new one, of nobody else anything stays.
  const copies = await caches.keys().catch(() => []);
  for (const name of copies) if (/^pulsegate-/.test(name) && name !== nameOf(key)) void caches.delete(name);
  if (last === undefined) return;
  void navigator.locks.request(socketLock(last), async () => {
    const again = await open();
    const now = await result(again.transaction('users').objectStore('users').get(place));
    again.close();
    if (now !== key) return;
    changed(nameOf(last));
    await result(indexedDB.deleteDatabase(nameOf(last)));
  });
}
