// A browser without what a tier needs: taken away before the client is loaded, by the address' word.
//   ?tier=leader     no SharedWorker: the tabs elect one among them
//   ?tier=ephemeral  no Web Locks either: each tab is a device of its own

export const wanted = new URLSearchParams(location.search).get('tier') ?? '';

if (wanted) delete globalThis.SharedWorker;
if (wanted === 'ephemeral') Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined, configurable: true });
