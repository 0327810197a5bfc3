/** Which tier this browser can have. */
import { dedicated } from './dedicated.js';
import { sharedWorker } from './shared.js';
import type { TierOpener } from './tier.js';

/** The best one: without a lock to hold or a store to keep, tabs have nothing to share. */
export const bestTier = (): TierOpener =>
  !navigator.locks || !globalThis.indexedDB
    ? dedicated('ephemeral')
    : typeof SharedWorker === 'function'
      ? sharedWorker
      : dedicated('leader');
