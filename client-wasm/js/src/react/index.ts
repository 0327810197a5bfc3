/**
 * React hooks. Safe under StrictMode, which mounts, unmounts and mounts again: the client is kept for
 * a moment after its last user, so the second mount finds it. On a server they render `disconnected`.
 */
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
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
    const { getToken } = options;
    const client = createClient({
      ...options,
      ...(getToken && { getToken: (request) => current.current.getToken?.(request) ?? null }),
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
  latest.current = options;
  const name = options && nameOf(options);
  useEffect(() => {
    if (!name || !latest.current) return undefined;
    const shared = use(latest.current);
    setClient(shared.client);
    return () => {
      setClient(null);
      release(name, shared);
    };
  }, [name]);
  return client;
}

const NOWHERE: Status = { state: 'disconnected', tabs: 0, visibleTabs: 0, reconnects: 0 };

/** How the connection is doing. */
export function usePushStatus(client: Client | null): Status {
  return useSyncExternalStore(
    (changed) => client?.on('state', changed) ?? (() => undefined),
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

/**
 * Handles a topic's messages while the component is mounted. The handler may change at every render;
 * unmounting detaches it and leaves the device subscribed (unless `durable` is false).
 */
export function useSubscription(
  client: Client | null,
  topic: string | null,
  handler: MessageHandler,
  { durable = true }: Pick<SubscribeOptions, 'durable'> = {},
): SubscriptionStatus {
  const latest = useRef(handler);
  latest.current = handler;
  const [status, setStatus] = useState<SubscriptionStatus>({ ready: false, gaps: 0 });
  useEffect(() => {
    setStatus({ ready: false, gaps: 0 });
    if (!client || topic === null) return undefined;
    const sub = client.subscribe(topic, (message) => latest.current(message), { durable });
    sub.on('subscribed', ({ recovered }) =>
      setStatus(({ gaps }) => ({ ready: true, gaps: recovered ? gaps : gaps + 1 })),
    );
    sub.on('error', (error) => setStatus(({ gaps }) => ({ ready: false, gaps, error })));
    sub.ready.catch((error: PushError) => setStatus(({ gaps }) => ({ ready: false, gaps, error })));
    return () => sub.detach();
  }, [client, topic, durable]);
  return status;
}
