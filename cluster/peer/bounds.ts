/** What the links between processes hold at most, and their times. */
export const PEER_BOUNDS = {
  /** A bus message is closed when the next frame would take it beyond; one frame alone may be larger. */
  packetBytesMax: 256 * 1024,
  /** What was sent and is not acknowledged, of one link … */
  ringMsMax: 30_000,
  ringBytesMax: 64 * 1024 * 1024,
  ringPacketsMax: 65_536,
  /** … and of all links of the process. */
  ringBytesTotalMax: 256 * 1024 * 1024,
  /** What came behind a gap, of one link; what does not fit is asked for again. */
  heldBytesMax: 8 * 1024 * 1024,
  heldPacketsMax: 4_096,
  /** How long what follows a gap waits while nothing of it comes, and how often it is asked for. */
  gapMsMax: 200,
  nakEveryMs: 50,
  nakRangesMax: 64,
  /** What one NAK is answered with. */
  resendBytesMax: 2 * 1024 * 1024,
  beaconMs: 1_000,
  /** A peer that says nothing for so long is gone, while the own bus is up. */
  silenceMsMax: 6_000,
  linksMax: 1_024,
  /** Unanswered requests of an edge, over all owners. */
  requestsMax: 65_536,
  requestBytesMax: 128 * 1024 * 1024,
  /** Conversations of which an edge knows the highest seq acknowledged. */
  headsSeenMax: 65_536,
  requestDeadlineMs: 8_000,
  /** A request goes out again when nothing shows that it arrived; after the longer time, in any case. */
  resendAfterMs: 1_000,
  resendAcknowledgedAfterMs: 3_000,
  /** A `read` is answered only when it fails: how long it can still be redirected. */
  readKeptMs: 2_000,
  requestTickMs: 250,
  /** Redirects of one request that are followed at once; then it waits a little each time. */
  redirectsMax: 4,
  redirectAgainMs: 250,
  routesMax: 65_536,
  /** Announcements of an edge that an owner has not acknowledged. */
  announcementsMax: 65_536,
  /** An announcement acknowledged later is not trusted: the inbox is read again. */
  announceMsMax: 20_000,
  resyncUsersPerTick: 100,
  resyncTickMs: 100,
  /** Conversations whose recipients an owner remembers, and the users named in them together. */
  audiencesMax: 65_536,
  audienceUsersMax: 1_000_000,
  /** How far back an owner tells those who connect of what was committed. */
  rememberMs: 30_000,
  rememberedMax: 131_072,
  /** Conversations sent to an edge and not acknowledged; beyond it a loss is repaired by reading the inboxes. */
  sentMax: 65_536,
  repairHeadsMax: 16_384,
  /** Changes of members and prefs of one edge whose answers are kept for a re-send. */
  answeredChangesMax: 1_024,
  /** An owner's questions whether a change is still awaited, and how long one waits for what its edge says. */
  asksMax: 4_096,
  askMsMax: 3_000,
  /** How long a new owner waits for the snapshots of live edges. */
  snapshotWaitMs: 500,
} as const satisfies Record<string, number>;

export type PeerBounds = { readonly [K in keyof typeof PEER_BOUNDS]: number };
