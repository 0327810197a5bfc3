/**
 * What an app sees of Pulsegate: options, events, messages and the client itself.
 *
 * Types only; `client.ts`, `subscription.ts` and `notifications.ts` are the things behind them.
 */
import type { PushError } from './error.js';

/** Takes a listener off again; calling it twice is harmless. */
export type Off = () => void;

/** How the browser's one connection is doing. */
export type State =
  /** Not asked to connect, or `disconnect()` was called in this tab. */
  | 'disconnected'
  /** Trying, or waiting to try again; `reason` says what stands in the way. */
  | 'connecting'
  /** Welcomed by a gateway. */
  | 'connected'
  /** The browser says that there is no network. */
  | 'offline'
  /** Stopped for good: forgotten, refused, or impossible here. `reason` is a `PushError` code. */
  | 'closed';

/** How the tabs of this browser share the connection. */
export type Tier =
  /** One SharedWorker holds the socket for all tabs. */
  | 'shared-worker'
  /** One tab's worker holds the socket; tabs elect it by a Web Lock. */
  | 'leader'
  /** This tab is a device of its own for as long as its link. */
  | 'ephemeral';

/** A connection, as `client.status` and the event `state` show it. */
export interface Status {
  /** See {@link State}. */
  readonly state: State;
  /** Why it is not `connected`: a short text or a `PushError` code. */
  readonly reason?: string;
  /** Which tier is in use; absent until the worker has answered. */
  readonly tier?: Tier;
  /** Tabs that share the connection, this one included. */
  readonly tabs: number;
  /** How many of them are visible. */
  readonly visibleTabs: number;
  /** This device's registration id; absent before the first welcome. */
  readonly registration?: string;
  /** The user the gateway took from the token; absent for an anonymous device. */
  readonly user?: string;
  /** Unix ms of the next try while `connecting`. */
  readonly retryAt?: number;
  /** The gateway's name for the present link. */
  readonly session?: string;
  /** Unix ms of the last frame from the gateway; told at least at each beat. */
  readonly lastHeardAt?: number;
  /** Unix ms of the gateway's last beat. */
  readonly lastBeatAt?: number;
  /** Links after the first one of this worker's life. */
  readonly reconnects: number;
}

/** Why a token is wanted. */
export interface TokenRequest {
  /** The app's user, as given to `createClient`. */
  readonly user: string;
  /** `connect`: for the first frame of a link; `refresh`: the present token ends soon; `refused`: the gateway refused the last one. */
  readonly why: 'connect' | 'refresh' | 'refused';
  /** Aborted after 5 s, when another tab is asked. */
  readonly signal: AbortSignal;
}

/** What `createClient` takes. */
export interface ClientOptions {
  /** The gateway: `https://push.example.com`. Default: the page's own origin. */
  url?: string;
  /** The app id, 1 to 32 of `a-z 0-9 -`. */
  app: string;
  /** The user's id, equal to the token's `sub`. Required where `getToken` is given; absent: anonymous device. */
  user?: string;
  /**
   * Fetches a device token from the app's backend.
   *
   * Asked in one tab at a time (a visible one first), again 60 s before the token ends. `null` means
   * anonymous. Throw {@link UnauthorizedError} if the user is logged out: the client then closes; any
   * other error is retried with backoff while the state is `connecting`.
   */
  getToken?: (request: TokenRequest) => Promise<string | null> | string | null;
  /** Where `npx pulsegate init` put the worker script; same origin. Default `/pulsegate-worker.js`. */
  workerUrl?: string;
  /** Other origins a notification's click may open, such as `https://help.example.com`. They are opened, never focused. */
  clickOrigins?: readonly string[];
  /** Hears every error, like `client.on('error')`, but from the very start. */
  onError?: (error: PushError) => void;
  /** Receives messages in this tab; like `client.on('message')`, but from the very start. */
  onMessage?: MessageHandler;
}

/** A button of a notification. */
export interface NotificationAction {
  /** Its name, as `ClickEvent.action` will carry it. */
  readonly action: string;
  /** What the person reads. */
  readonly title: string;
  /** An image beside it. */
  readonly icon?: string;
  /** Where this button goes; default: the notification's `url`. */
  readonly url?: string;
}

/** What a person sees of a message. */
export interface NotificationContent {
  readonly title: string;
  readonly body: string;
  readonly icon?: string;
  readonly image?: string;
  readonly badge?: string;
  /** Where a click goes. */
  readonly url?: string;
  /** A newer notification of the same tag replaces an older one. */
  readonly tag?: string;
  readonly lang?: string;
  readonly dir?: string;
  readonly actions?: readonly NotificationAction[];
  readonly requireInteraction?: boolean;
  readonly silent?: boolean;
  readonly renotify?: boolean;
}

/** A message, as the backend published it. */
export interface Message {
  /** The gateway's id, a UUID. */
  readonly id: string;
  /** The topic it was published to; absent if it came to this device, its user or everyone. */
  readonly topic?: string;
  /** The log it came in: `device`, `user:…`, `topic:…` or `all`. */
  readonly log: string;
  /** The text the app published. */
  readonly body: string;
  /** `body` read as JSON. Throws a `SyntaxError` if it is none. */
  json<T = unknown>(): T;
  /** The published `ext` object; `{}` if there was none. */
  readonly ext: Readonly<Record<string, unknown>>;
  /** What is shown, if it is to be shown. */
  readonly notification?: NotificationContent;
  /** When the gateway took it. */
  readonly published: Date;
  /** When it stops being worth delivering. */
  readonly expires: Date;
  readonly urgency: 'very-low' | 'low' | 'normal' | 'high';
  readonly collapseKey?: string;
  /** False: deliver-now-or-never (`ttl_s: 0`), outside the order and not kept. */
  readonly stored: boolean;
}

/**
 * Handles a message. The message counts as handled once this returned or its promise resolved; if
 * it throws, the message stays in the inbox and is offered to the next tab that attaches a handler.
 */
export type MessageHandler = (message: Message) => unknown;

/** A click on a notification, heard in exactly one tab. */
export interface ClickEvent {
  /** The message's id. */
  readonly id: string;
  /** Which button; empty for the notification itself. */
  readonly action: string;
  /** Where it goes; absent if the message has no `url`. */
  readonly url?: string;
  /** What the notification showed. */
  readonly notification: NotificationContent;
  /** The published `ext` object. */
  readonly ext: Readonly<Record<string, unknown>>;
}

/** Messages are missing and will not come; reload what you derive from them. */
export interface GapEvent {
  /** The log: `device`, `user:…`, `topic:…` or `all`; `inbox` if this browser had to drop what it could not keep. */
  readonly log: string;
  /** The topic, if it is a topic's log. */
  readonly topic?: string;
  /** `retention`, `epoch-changed`, `cursor-ahead`, `corrupt`, `inbox-full` or `storage-lost`. */
  readonly reason: string;
}

/** The events of a client and what their listeners get. */
export interface ClientEvents {
  /** The connection, or who shares it, changed. */
  state: Status;
  /** Any message to this device. A listener is a handler: its promise is "handled". */
  message: Message;
  /** Something failed in the background. Nothing is ever thrown into the page. */
  error: PushError;
  /** A notification was clicked, and this tab is the one to hear of it. */
  notificationclick: ClickEvent;
  /** Something is missing: `recovered: false` of one log. */
  gap: GapEvent;
}

/** Options of `on`. */
export interface ListenOptions {
  /** Takes the listener off when it aborts. */
  signal?: AbortSignal;
}

/** A topic's state became known: at first, and after each time that something may be missing. */
export interface SubscribedEvent {
  /** The topic. */
  readonly topic: string;
  /** False: something may be missing; reload your own state. */
  readonly recovered: boolean;
  /** Messages that waited in the inbox for this handler. */
  readonly replayed: number;
}

/** The events of a subscription. */
export interface SubscriptionEvents {
  subscribed: SubscribedEvent;
  /** The topic was refused or ended by the backend; see `code`. */
  error: PushError;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** Detaches this tab's handler when it aborts; the device stays subscribed. */
  signal?: AbortSignal;
  /** False: unsubscribe 30 s after the last listening tab went. Default true: the subscription belongs to the device. */
  durable?: boolean;
}

/** This tab's handler on a topic. */
export interface Subscription {
  /** The topic. */
  readonly topic: string;
  /** Resolves once the gateway has stored the subscription; rejects with a `PushError` if it refused. Need not be awaited. */
  readonly ready: Promise<void>;
  /** Listens. Returns a function that takes the listener off. */
  on<K extends keyof SubscriptionEvents>(
    event: K,
    listener: (event: SubscriptionEvents[K]) => void,
    options?: ListenOptions,
  ): Off;
  /** Detaches this tab's handler. `client.unsubscribe(topic)` ends the device's subscription. */
  detach(): void;
}

/** When a pop-up is left out because somebody is looking at the app anyway. */
export type ForegroundPolicy =
  /** No pop-ups while the app is connected: handlers do everything. */
  | 'never'
  /** No pop-up if a visible tab handled the message within a second. The default. */
  | 'hidden-only'
  /** Always a pop-up. */
  | 'always';

/** Notifications of this browser. */
export interface Notifications {
  /** `default`, `granted`, `denied`, or `unsupported` here. */
  readonly permission: NotificationPermission | 'unsupported';
  /**
   * Asks for permission and sets notifications up. Call it inside a click: it is the only call that
   * can prompt. Rejects with `notification-denied` or `notification-unsupported`. Later loads set up silently.
   */
  enable(): Promise<void>;
  /** One setting per browser; the last one set wins. */
  foreground: ForegroundPolicy;
}

/** What `setTags` takes. */
export interface TagChange {
  add?: readonly string[];
  remove?: readonly string[];
}

/** A page's end of the browser's one connection. */
export interface Client {
  /** How the connection is doing now. */
  readonly status: Status;
  /** Listens. Returns a function that takes the listener off. */
  on<K extends keyof ClientEvents>(
    event: K,
    listener: (event: ClientEvents[K]) => unknown,
    options?: ListenOptions,
  ): Off;
  /**
   * Subscribes this device to a topic and attaches a handler in this tab. The device stays
   * subscribed, over reloads and restarts, until `unsubscribe`. A handler that throws leaves the
   * message unhandled and reports `handler-failed`.
   */
  subscribe(topic: string, handler: MessageHandler, options?: SubscribeOptions): Subscription;
  /** Ends the device's subscription; resolves once the gateway has stored that. */
  unsubscribe(topic: string): Promise<void>;
  /** The device's durable subscriptions, as last told by the gateway. */
  topics(): Promise<string[]>;
  /** Adds and removes tags of this device, as far as the token grants it; all or nothing. */
  setTags(change: TagChange): Promise<void>;
  /** Notifications of this browser. */
  readonly notifications: Notifications;
  /** Lets this tab go; the connection ends with its last tab. The device stays registered. */
  disconnect(): Promise<void>;
  /** Logs out: drops the registration, the inbox and shown notifications, in all tabs. */
  forget(): Promise<void>;
}
