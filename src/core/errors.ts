/** What a client is told when a request fails. One table: docs/protocol.md repeats it, and a test compares. */
export interface ErrorInfo {
  /** The number that stands for the code in the binary subprotocol. */
  readonly number: number;
  /** Whether the same request, sent again later, may succeed. */
  readonly retryable: boolean;
  /** What the client should do. */
  readonly advice: string;
}

export const ERRORS = {
  invalid: { number: 1, retryable: false, advice: 'Mend the field that the message names.' },
  unauthenticated: {
    number: 2,
    retryable: false,
    advice: 'Get a fresh token, then connect or `auth` again.',
  },
  forbidden: { number: 3, retryable: false, advice: 'Your role does not allow it; do not retry.' },
  not_found: { number: 4, retryable: false, advice: 'No such conversation; `create` it first.' },
  not_member: { number: 5, retryable: false, advice: 'You are not a member; drop the conversation.' },
  too_large: { number: 6, retryable: false, advice: 'Send less: the message names the limit.' },
  conflict: { number: 7, retryable: false, advice: 'This id was used with other content; pick a new one.' },
  too_old: {
    number: 8,
    retryable: false,
    advice: 'The id is over 30 days old; look into history, then send under a new id.',
  },
  rate_limited: { number: 9, retryable: true, advice: 'Wait `retryAfterMs`, then send again, in order.' },
  overloaded: { number: 10, retryable: true, advice: 'Wait `retryAfterMs`, then send again, in order.' },
  unavailable: { number: 11, retryable: true, advice: 'Wait `retryAfterMs`, then send again, in order.' },
  timed_out_unknown: {
    number: 12,
    retryable: true,
    advice: 'It may have happened: send again with the same cmid and `retry: true`.',
  },
  unsupported: { number: 13, retryable: false, advice: 'This server does not know the frame.' },
  internal: {
    number: 14,
    retryable: true,
    advice: 'A fault of the server; send again with the same cmid and `retry: true`.',
  },
} as const satisfies Record<string, ErrorInfo>;

export type ErrorCode = keyof typeof ERRORS;

export interface CloseInfo {
  readonly code: number;
  /** Whether the client may reconnect by itself. */
  readonly reconnect: boolean;
  readonly advice: string;
}

/** WebSocket close codes: 4000–4099 ask the client to reconnect, 4100–4199 ask it not to. */
export const CLOSES = {
  draining: { code: 4000, reconnect: true, advice: 'The node is leaving; reconnect after `retryAfterMs`.' },
  slow_consumer: { code: 4001, reconnect: true, advice: 'The socket read too slowly; reconnect and sync.' },
  internal: { code: 4002, reconnect: true, advice: 'A fault of the server; reconnect.' },
  bad_frame: {
    code: 4100,
    reconnect: false,
    advice: 'The bytes are no frame of this protocol; mend the client.',
  },
  unauthenticated: { code: 4101, reconnect: false, advice: 'Get a fresh token, then connect.' },
  replaced: { code: 4102, reconnect: false, advice: 'The same device connected elsewhere.' },
  protocol: { code: 4103, reconnect: false, advice: 'A rule of the protocol was broken; mend the client.' },
  banned: { code: 4104, reconnect: false, advice: 'The account is barred.' },
} as const satisfies Record<string, CloseInfo>;

export type CloseReason = keyof typeof CLOSES;
