/** The one error type, and its codes: `docs/errors/<code>.md` says for each what happened and what to do. */

/** Every code, with whether it goes away by itself. */
export const CODES = {
  'config-invalid': false,
  'insecure-context': false,
  'worker-unsupported': false,
  'worker-missing': false,
  'worker-blocked': false,
  'worker-outdated': false,
  'worker-crashed': true,
  'wasm-blocked': false,
  storage: true,
  unauthorized: false,
  'token-failed': true,
  'user-mismatch': false,
  forbidden: false,
  'version-unsupported': false,
  'protocol-violation': false,
  unavailable: true,
  'rate-limited': true,
  'topic-denied': false,
  'too-many-topics': false,
  'tags-denied': false,
  invalid: false,
  'handler-failed': false,
  'notification-denied': false,
  'notification-unsupported': false,
  'notification-failed': true,
  closed: false,
} as const;

/** A stable code of {@link PushError}. */
export type PushErrorCode = keyof typeof CODES;

/** What went wrong, with a stable code. */
export class PushError extends Error {
  /** Stable: compare this, never the message. */
  readonly code: PushErrorCode;
  /** True: it goes away by itself, and the client keeps trying. */
  readonly temporary: boolean;
  /** A page that says what happened and what to do. */
  readonly help: string;

  constructor(code: PushErrorCode, message: string, options?: { cause?: unknown; temporary?: boolean }) {
    super(message, options);
    this.name = 'PushError';
    this.code = code;
    this.temporary = options?.temporary ?? CODES[code];
    this.help = `https://github.com/pulsegate/pulsegate/blob/main/docs/errors/${code}.md`;
  }
}

/** Throw this in `getToken` when the user is logged out: the client closes instead of trying again. */
export class UnauthorizedError extends Error {
  constructor(message = 'the user is logged out') {
    super(message);
    this.name = 'UnauthorizedError';
  }
}
