/**
 * React hooks. Safe under StrictMode, which mounts, unmounts and mounts again: the client is kept for
 * a moment after its last user, so the second mount finds it. On a server they render `disconnected`.
 *
 * @module pulsegate/react
 */
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import {
  createClient,
  type Client,
  type ClientOptions,
  type MessageHandler,
  type PushError,
  type Status,
  type SubscribeOptions,
} from '../page/index.js';

/** How long a client outlives its last user: a remount comes in the same turn or the next. */
const LINGER_MS = 1_000;

interface Shared {
  client: Client;
  users: number;
  options: { current: ClientOptions };
  end?: ReturnType<typeof setTimeout>;
}

const clients = new Map<string, Shared>();

const nameOf = ({ url = '', app, user = '', workerUrl = '' }: ClientOptions): string =>
  JSON.stringify([url, app, user, workerUrl]);

function use(options: ClientOptions): Shared {
  const name = nameOf(options);
  let shared = clients.get(name);
  if (shared) {
    clearTimeout(shared.end);
    shared.options.current = options;
  } else {
    const current = { current: options };
    // Callbacks of the latest render, not of the first.
    const { getToken, onMessage } = options;
    const client = createClient({
      ...options,
      ...(getToken && { getToken: (request) => current.current.getToken?.(request) ?? null }),
      // Given or not decides whether this tab takes messages at all.
      ...(onMessage && { onMessage: (message) => current.current.onMessage?.(message) }),
      onError: (error) => current.current.onError?.(error),
    });
    shared = { client, users: 0, options: current };
    clients.set(name, shared);
  }
  shared.users += 1;
  return shared;
}

function release(name: string, shared: Shared): void {
  shared.users -= 1;
  if (shared.users > 0) return;
  shared.end = setTimeout(() => {
    clients.delete(name);
    void shared.client.disconnect();
  }, LINGER_MS);
}

/**
 * A client for as long as the component is mounted; `null` until it is, and while `options` is `null`
 * (logged out). Components that give the same `url`, `app` and `user` share one.
 */
export function usePushClient(options: ClientOptions | null): Client | null {
  const [client, setClient] = useState<Client | null>(null);
  const latest = useRef(options);
  const held = useRef<Shared | null>(null);
  const name = options && nameOf(options);
  // Not while rendering: a render may be thrown away, and its callbacks with it.
  useEffect(() => {
    latest.current = options;
    if (options && held.current) held.current.options.current = options;
  });
  useEffect(() => {
    if (!name || !latest.current) return undefined;
    const shared = use(latest.current);
    held.current = shared;
    setClient(shared.client);
    return () => {
      held.current = null;
      setClient(null);
      release(name, shared);
    };
  }, [name]);
  return client;
}

const NOWHERE: Status = { state: 'disconnected', tabs: 0, visibleTabs: 0, reconnects: 0 };

/** How the connection is doing. */
export function usePushStatus(client: Client | null): Status {
  const listen = useCallback((changed: () => void) => client?.on('state', changed) ?? (() => undefined), [client]);
  return useSyncExternalStore(
    listen,
    () => client?.status ?? NOWHERE,
    () => NOWHERE,
  );
}

/** What became of a subscription. */
export interface SubscriptionStatus {
  /** The gateway has it. */
  readonly ready: boolean;
  /** Grows whenever something may be missing: reload your own state when it does. */
  readonly gaps: number;
  /** Why it was refused. */
  readonly error?: PushError;
}

const UNKNOWN: SubscriptionStatus = { ready: false, gaps: 0 };

/**
 * Handles a topic's messages while the component is mounted. The handler may change at every render;
 * unmounting detaches it and leaves the device subscribed (unless `durable` is false).
 */
export function useSubscription(
  client: Client | null,
  topic: string | null,
  handler: MessageHandler,
  options: Pick<SubscribeOptions, 'durable'> = {},
): SubscriptionStatus {
  const { durable = true } = options;
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  const [status, setStatus] = useState(UNKNOWN);
  useEffect(() => {
    setStatus(UNKNOWN);
    if (!client || topic === null) return undefined;
    // What is told of a topic after this component left it is nothing to the one that came after.
    let here = true;
    const told = (next: (before: SubscriptionStatus) => SubscriptionStatus) => here && setStatus(next);
    const failed = (error: PushError) => told(({ gaps }) => ({ ready: false, gaps, error }));
    const sub = client.subscribe(topic, (message) => latest.current(message), { durable });
    sub.on('subscribed', ({ recovered }) => told(({ gaps }) => ({ ready: true, gaps: recovered ? gaps : gaps + 1 })));
    sub.on('error', failed);
    sub.ready.catch(failed);
    return () => {
      here = false;
      sub.detach();
    };
  }, [client, topic, durable]);
  return status;
}
