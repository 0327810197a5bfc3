/**
 * A `Message` of the contract, read from its bytes.
 *
 * The core hands messages on as they came: it needs their id, and nothing else of them. What is wrong
 * in a field reads as if it were absent; the gateway wrote it.
 */
import type { NotificationAction, NotificationContent } from '../page/api.js';
import type { MessageData } from '../port/protocol.js';
import { uuidText } from './uuid.js';

/** Fields by number: the last value of each, or all of them for `repeated`. */
type Fields = Map<number, (number | Uint8Array)[]>;

/** Bytes as text. */
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function varint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  // Beyond 32 bits for times: no bit operators. Ten bytes at most, or it is none.
  for (let scale = 1, end = at + 10; at < end; scale *= 128) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) break;
  }
  return [value, at];
}

/** The fields of one protobuf message. */
export function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Fields = new Map();
  for (let at = 0; at < bytes.length; ) {
    let value: number | Uint8Array;
    let key: number;
    [key, at] = varint(bytes, at);
    const wire = key & 7;
    if (wire === 0) [value, at] = varint(bytes, at);
    else {
      let length = wire === 5 ? 4 : 8;
      if (wire === 2) [length, at] = varint(bytes, at);
      value = bytes.subarray(at, (at += length));
    }
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), value]);
  }
  return fields;
}

const bytesAt = (fields: Fields, number: number): Uint8Array => {
  const value = fields.get(number)?.at(-1);
  return value instanceof Uint8Array ? value : new Uint8Array();
};
const textAt = (fields: Fields, number: number): string => decode(bytesAt(fields, number));
const numberAt = (fields: Fields, number: number): number => Number(fields.get(number)?.at(-1) ?? 0);

/** What is not empty of these texts; empty ones would only weigh in the inbox. */
function named(fields: Fields, names: string[]): object {
  return Object.fromEntries(names.map((name, i) => [name, textAt(fields, i + 1)]).filter(([, text]) => text));
}

/** Reads a message that came in `log`. */
export function decodeMessage(log: string, bytes: Uint8Array): MessageData {
  const fields = fieldsOf(bytes);
  const body = fieldsOf(bytesAt(fields, 2));
  return {
    id: uuidText(bytesAt(fields, 1)),
    log,
    body: textAt(body, 2),
    ext: textAt(body, 3),
    ...(fields.has(3) && { note: noteOf(fieldsOf(bytesAt(fields, 3))) }),
    published: numberAt(fields, 4),
    expires: numberAt(fields, 5),
    urgency: numberAt(fields, 6),
    key: textAt(fields, 7),
  };
}

function noteOf(fields: Fields): NotificationContent {
  const actions = fields.get(9)?.map((value) => named(fieldsOf(value as Uint8Array), ['action', 'title', 'icon', 'url']));
  const dir = textAt(fields, 13);
  return {
    title: '',
    body: '',
    ...named(fields, ['title', 'body', 'icon', 'image', 'badge', 'url', 'tag', 'lang']),
    ...(actions && { actions: actions as NotificationAction[] }),
    ...(numberAt(fields, 10) && { requireInteraction: true }),
    ...(numberAt(fields, 11) && { silent: true }),
    ...(numberAt(fields, 12) && { renotify: true }),
    ...(dir && { dir }),
  } as NotificationContent;
}
