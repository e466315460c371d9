/** Bounds of the wire, told to clients in docs/protocol.md and, where they are settings, in `welcome.limits`. */
export const LIMITS = {
  bodyBytesMax: 16 * 1024,
  kindCharsMax: 32,
  titleCharsMax: 200,
  /** Users whom one message may mention. */
  mentionsMax: 64,
  /** A JSON frame; the largest frame that a client may send. */
  jsonFrameBytesMax: 128 * 1024,
  binaryFrameBytesMax: 64 * 1024,
  msgpackDepthMax: 8,
  msgpackItemsMax: 2_048,
  tokenCharsMax: 8 * 1024,
  /** Of the opaque strings that a server makes: `cursor`, and the `before` of `conversations`. */
  cursorCharsMax: 2_048,
  groupMembersMax: 256,
  havePairsMax: 500,
  historyLimitMax: 200,
  historyLimitDefault: 50,
  conversationsLimitMax: 200,
  conversationsLimitDefault: 50,
  receiptsLimitMax: 200,
  receiptsLimitDefault: 50,
  pageBytesMax: 256 * 1024,
  welcomeEntriesMax: 200,
  welcomeBytesMax: 128 * 1024,
  previewCharsMax: 200,
  requestIdMax: 2 ** 31 - 1,
  /** Unanswered `history` and `conversations` of one connection. */
  openReadsMax: 4,
  /** Unanswered requests of one connection. */
  openRequestsMax: 4_096,
  /** A `have` pair further behind gets `reset`. */
  resetBehindMax: 1_000,
  /** How often a user is told to be typing, and for how long that counts. */
  typingEveryMs: 3_000,
  typingMs: 6_000,
  /** Users whom one connection may watch. */
  watchedUsersMax: 200,
  helloTimeoutMs: 10_000,
  pingEveryMs: 20_000,
  silenceMsMax: 45_000,
  dedupWindowMs: 30 * 24 * 3_600_000,
  dedupRecentMax: 1_024,
} as const;
