/** A message as handlers get it. */
import type { MessageData } from '../port/protocol.js';
import type { Message } from './api.js';

const URGENCIES = ['normal', 'very-low', 'low', 'high'] as const;

/** The published `ext` object; whatever is no object reads as none. */
export function extOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text || '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The topic of a log, if it is a topic's. */
export const topicOf = (log: string): string | undefined => (log.startsWith('topic:') ? log.slice(6) : undefined);

/** Makes the app's view of a message; `n` 0: not stored. */
export function messageOf(m: MessageData, n: number): Message {
  const topic = topicOf(m.log);
  return {
    id: m.id,
    log: m.log,
    ...(topic !== undefined && { topic }),
    body: m.body,
    json: <T>() => JSON.parse(m.body) as T,
    ext: extOf(m.ext),
    ...(m.note && { notification: m.note }),
    published: new Date(m.published),
    expires: new Date(m.expires),
    urgency: URGENCIES[m.urgency] ?? 'normal',
    ...(m.key && { collapseKey: m.key }),
    stored: n > 0,
  };
}
