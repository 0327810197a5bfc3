/** Who used this app in this browser last: when that changes, what the other one had is wiped. */
import { keyOf, type Config } from '../port/protocol.js';
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
export async function noteUser(config: Config, changed: (database: string) => void): Promise<void> {
  const place = `${config.url} ${config.app}`;
  const db = await open();
  const tx = db.transaction('users', 'readwrite');
  const users = tx.objectStore('users');
  const last = (await result(users.get(place))) as string | undefined;
  users.put(config.user, place);
  await committed(tx);
  db.close();
  if (last === undefined || last === config.user) return;
  const key = keyOf({ ...config, user: last });
  void navigator.locks.request(socketLock(key), async () => {
    const again = await open();
    const now = await result(again.transaction('users').objectStore('users').get(place));
    again.close();
    if (now !== config.user) return;
    changed(nameOf(key));
    await result(indexedDB.deleteDatabase(nameOf(key)));
  });
}
