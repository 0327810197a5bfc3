/** Clicks on notifications that wait for this tab. */
import type { Ask, ClickData } from '../port/protocol.js';
import type { ClickEvent } from './api.js';
import { extOf } from './message.js';

/**
 * Takes the clicks that opened this page, and, if the service worker said so, those that focused it.
 * The worker hands each out once.
 */
export async function takeClicks(
  ask: (ask: Ask) => Promise<unknown>,
  pinged: boolean,
  heard: (click: ClickEvent) => void,
): Promise<void> {
  try {
    const opened = (await ask({ op: 'clicks', since: Math.floor(performance.timeOrigin) })) as ClickData[];
    const focused = pinged ? ((await ask({ op: 'clicks', since: 0 })) as ClickData[]) : [];
    for (const { id, action, url, note, ext } of [...opened, ...focused]) {
      heard({ id, action, notification: note, ext: extOf(ext), ...(url && { url }) });
    }
  } catch {
    // Disconnected meanwhile: the clicks wait for the next tab.
  }
}
