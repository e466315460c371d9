/** What an edge keeps at most, and when it changes its manner; the wire's own bounds are in protocol/limits.ts. */
export const EDGE_BOUNDS = {
  /** Local sessions from which a conversation's events go by topic, and below which they no longer do. */
  topicSessionsMin: 8,
  topicSessionsKeep: 4,
  /** Conversations whose recipients are remembered, and the users named in them together. */
  audiencesMax: 65_536,
  audienceUsersMax: 1_000_000,
  /** Conversations of one session that moved while it could not be told. */
  marksMax: 4_096,
  /** Conversations remembered as listed to a session that was not listed all. */
  listedMax: 16_384,
  /** Unsent bytes from which a socket is turned to pull, … */
  pullBytesMin: 256 * 1024,
  /** … events that one turn may queue for one socket, and unsent bytes over which pages wait. */
  turnEventBytesMax: 128 * 1024,
  pageWaitBytes: 128 * 1024,
  /** How long a socket may stay turned to pull. */
  pullMsMax: 30_000,
  /** Unsent bytes of all sockets. */
  nodeBufferedBytesMax: 256 * 1024 * 1024,
  /** What a client may send between its `hello` and `welcome`, and all clients together. */
  heldFramesMax: 1_024,
  heldBytesMax: 256 * 1024,
  heldTotalBytesMax: 64 * 1024 * 1024,
  /** Conversations of one session with sends unanswered or refused. */
  lanesMax: 4_096,
  /** Inboxes read at the same time. */
  inboxReadsMax: 32,
  /** Of them, those for sessions that were welcomed before. */
  resyncReadsMax: 16,
  /** Inboxes read in a quarter of a second for badges: under load these come late, and cost no more. */
  badgeReadsPerTickMax: 8,
  /** Users whom the sessions watch, together. */
  watchedUsersMax: 262_144,
  /** Devices told of again in a tenth of a second. */
  presenceReportsPerTickMax: 500,
  /** Frames of all kinds from one connection: a multiple of the sends that its user may make. */
  frameRateFactor: 4,
  /** Users without a session whose spent send rate is still remembered. */
  lingeringUsersMax: 65_536,
} as const satisfies Record<string, number>;

export type EdgeBounds = { readonly [K in keyof typeof EDGE_BOUNDS]: number };
