// handlers.test.mjs once more where SharedWorker is missing.

process.env.PULSEGATE_TIER = 'leader';
await import('./handlers.test.mjs');
