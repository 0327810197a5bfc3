// What Node lacks of a browser's storage.
import { IDBDatabase, IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { Request, Response, caches, setGlobalOrigin } from 'undici';

setGlobalOrigin('http://localhost/');
Object.assign(globalThis, { IDBDatabase, IDBKeyRange, Request, Response, caches });

/** A browser that never saw this site. */
export async function freshBrowser() {
  loseDatabases();
  for (const name of await caches.keys()) await caches.delete(name);
}

/** What Chromium does to a site's databases when it cannot read the end of their log. */
export function loseDatabases() {
  globalThis.indexedDB = new IDBFactory();
}
