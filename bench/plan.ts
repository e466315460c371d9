/** What the bench and its generator process say to each other, as JSON over the process's channel. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ServerProcess {
  /** `edge 1`; in reports. */
  readonly name: string;
  readonly pid: number;
  /** A Java process: what its compilers take tells whether it is warm. */
  readonly java?: true;
}

/** A server under load, in one process or several. */
export interface Target {
  /** Connection i goes to the address at i modulo their number. */
  readonly addresses: readonly Address[];
  readonly path: string;
  /** Absent for a bare baseline: no subprotocol, no `hello`, no conversations to create. */
  readonly subprotocol?: string;
  /** Whose CPU time is read. */
  readonly processes: readonly ServerProcess[];
  /** Of a cluster: base URLs of the admin ports, whose counters are read. */
  readonly admin?: { readonly sequencers: readonly string[]; readonly edges: readonly string[] };
}

/** What to load a server with. `echo` and `publish` speak to the bare baselines. */
export interface LoadPlan {
  readonly job: 'direct' | 'group' | 'echo' | 'publish';
  readonly target: Target;
  readonly connections: number;
  /** Unanswered sends per connection. In an open loop: the bound beyond which a connection falls behind its times. */
  readonly window: number;
  readonly conversations: number;
  /** Of a group: the connections that send. */
  readonly senders: number;
  readonly bodyBytes: number;
  /** Messages per second over all connections, at times fixed beforehand; absent: as fast as answers come. */
  readonly ratePerSecond?: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Ends the load earlier, once so many were acked. */
  readonly ackedMax?: number;
  /** How long answers and deliveries may take to come in after the last send (15,000). */
  readonly settleMsMax?: number;
  /** Where the conversations stand already, from an earlier load's result; absent or empty: at their start. */
  readonly heads?: readonly number[];
}

/** Connects, and holds the connections until told to stop: `steps` rising totals, one per `next`. */
export interface HoldPlan {
  readonly job: 'hold';
  readonly target: Target;
  readonly connections: number;
  readonly steps: readonly number[];
}

/** Creates the direct conversations of `connections` users and sends one message to each. */
export interface FillPlan {
  readonly job: 'fill';
  readonly target: Target;
  readonly connections: number;
  readonly conversations: number;
}

/** Fills direct conversations with messages, and moves one member's read cursor in each, message by message. */
export interface ReadsPlan {
  readonly job: 'reads';
  readonly target: Target;
  readonly connections: number;
  readonly conversations: number;
  /** Over all conversations. */
  readonly readsPerSecond: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

/** Drives a presence hub in the generator's own process, without a server. */
export interface HubPlan {
  readonly job: 'hub';
  readonly users: number;
  /** Of the users, the part that is watched, each at `edgesPerUser` of the `edges`. */
  readonly watchedShare: number;
  readonly edges: number;
  readonly edgesPerUser: number;
  /** There are as many disconnects. */
  readonly connectsPerSecond: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

/** Clients that come, stay and go, and others that watch some of them. */
export interface VisitsPlan {
  readonly job: 'visits';
  readonly target: Target;
  readonly visitsPerSecond: number;
  readonly stayMs: number;
  readonly watchers: number;
  readonly watchedEach: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

/** Fills one user's list, and syncs it from nothing, over each form of the wire in turn. */
export interface SyncPlan {
  readonly job: 'sync';
  readonly target: Target;
  readonly conversations: number;
  readonly unread: number;
  readonly bodyBytes: number;
  readonly rounds: number;
}

/** Reads the newest page of each conversation and compares its head with what was acked. */
export interface AuditPlan {
  readonly job: 'audit';
  readonly target: Target;
  readonly connections: number;
  readonly conversations: number;
  /** The highest acked seq per conversation. */
  readonly heads: readonly number[];
}

/** Appends rows to new conversations, each with one batch in flight, through the store of `target`. */
export interface AppendPlan {
  readonly job: 'append';
  readonly store: {
    readonly contactPoints: readonly string[];
    readonly localDc: string;
    /** With the schema applied. */
    readonly keyspace: string;
    /** None of a store that others run. */
    readonly processes: readonly ServerProcess[];
  };
  readonly conversations: number;
  readonly rowsPerBatch: number;
  readonly bodyBytes: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export type Plan =
  | LoadPlan
  | HoldPlan
  | FillPlan
  | ReadsPlan
  | HubPlan
  | VisitsPlan
  | SyncPlan
  | AuditPlan
  | AppendPlan;

/** Times are microseconds. */
export interface Latency {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** CPU in use over the measured time, in cores (1 = one core busy all the time). */
export interface CpuUse {
  /** Of all processes of the target. */
  readonly server: number;
  /** Of their main threads alone. */
  readonly serverMain: number;
  readonly processes: readonly ProcessUse[];
  readonly generator: number;
  /** Of all else on the machine: what disturbed the measurement. */
  readonly others: number;
}

export interface ProcessUse {
  readonly name: string;
  readonly cores: number;
  readonly mainCores: number;
  /** Of a Java process: of `cores`, those of its compilers. */
  readonly compilerCores?: number;
}

/** What rows cost in requests, from the counters of the processes that made them. */
export interface StoreUse {
  /** By the statement's name. */
  readonly statements: Readonly<Record<string, StatementUse>>;
  readonly failures: number;
}

export interface StatementUse {
  readonly requestsPerRow: number;
  /** From a request to its answer. */
  readonly meanMs: number;
}

/** What a cluster did while it was measured: of all sequencers, and of all edges. */
export interface ClusterUse {
  readonly rowsPerBatch: number;
  /** From an append to its outcome, barrier included. */
  readonly appendMs: number;
  readonly sequencers: StoreUse;
  readonly edges: StoreUse;
  readonly sequencerBusMessagesPerRow: number;
  readonly edgeBusMessagesPerRow: number;
}

export interface LoadResult {
  readonly job: LoadPlan['job'];
  /** Measured, without warm-up. */
  readonly seconds: number;
  readonly acked: number;
  readonly ackedPerSecond: number;
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  readonly ackLatency: Latency;
  readonly receiveLatency: Latency;
  /** Acks and messages per client read: near to what one write of the server carries. */
  readonly framesPerRead: number;
  /** Messages per read that carried any: how large the server's bursts were as a client sees them. */
  readonly messagesPerRead: number;
  /** Answers `error`, by code: nothing of theirs was committed. */
  readonly refused: Readonly<Record<string, number>>;
  readonly cpu?: CpuUse;
  readonly cluster?: ClusterUse;
  /** Over the whole run, warm-up included. */
  readonly checked: { readonly conversations: number; readonly acked: number; readonly delivered: number };
  /** The head of each conversation as its members saw it, for an audit. */
  readonly heads: readonly number[];
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export interface ReadsResult {
  readonly job: 'reads';
  /** Measured, without warm-up. */
  readonly seconds: number;
  readonly readsPerSecond: number;
  /** Receipt events that came in the measured time, to both members of a conversation. */
  readonly receiptsPerSecond: number;
  readonly cpu?: CpuUse;
  /** Cursors that were compared in the end with what was sent. */
  readonly checked: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

/** A moment in the run of a presence hub, once the garbage is collected. */
export interface HubMoment {
  readonly name: string;
  readonly heapBytes: number;
  /** By the name of the map, set or list of the hub's that holds them. */
  readonly entries: Readonly<Record<string, number>>;
}

export interface HubResult {
  readonly job: 'hub';
  readonly seconds: number;
  /** Connects and disconnects. */
  readonly eventsPerSecond: number;
  readonly cpuUsPerEvent: number;
  /** Of that, what the drive takes without a hub. */
  readonly driveUsPerEvent: number;
  readonly statesPerSecond: number;
  /** Times of having been seen: written, and given up, in the whole run. */
  readonly lastSeen: { readonly written: number; readonly dropped: number };
  readonly moments: readonly HubMoment[];
  /** States that were compared in the end with how the user is: one for each watched user and edge. */
  readonly checked: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export interface VisitsResult {
  readonly job: 'visits';
  readonly seconds: number;
  /** Connects that were welcomed, with as many disconnects. */
  readonly visitsPerSecond: number;
  /** `presence` events that came to the watchers in the measured time. */
  readonly statesPerSecond: number;
  readonly cpu?: CpuUse;
  /** What the watchers were told last, compared in the end with who is there. */
  readonly checked: number;
  readonly checkedOnline: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

/** One sync from nothing. Bytes are those of whole WebSocket frames from the server. */
export interface SyncRound {
  readonly welcomeBytes: number;
  readonly welcomeEntries: number;
  readonly welcomeMs: number;
  /** From `hello` to the last page, `welcome` included. */
  readonly allBytes: number;
  readonly allMs: number;
}

export interface SyncResult {
  readonly job: 'sync';
  readonly unreadConversations: number;
  readonly rounds: Readonly<Record<'binary' | 'json', readonly SyncRound[]>>;
  /** Entries whose head and unread count were compared with what was sent. */
  readonly checked: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export interface AuditResult {
  readonly job: 'audit' | 'fill' | 'hold';
  readonly conversations: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export interface AppendResult {
  readonly job: 'append';
  readonly seconds: number;
  /** Committed in the measured time. */
  readonly rows: number;
  readonly rowsPerSecond: number;
  /** Of the `message` frame in a row. */
  readonly rowBytes: number;
  readonly batchLatency: Latency;
  /** CPU of the appending process. */
  readonly clientUsPerRow: number;
  readonly cpu?: CpuUse;
  /** Absent for the bare driver. */
  readonly store?: StoreUse;
  /** Batches answered `unavailable`, so certainly not written, and appended again. */
  readonly refused: number;
  /** Rows of the whole run, warm-up included, that the log was then asked for. */
  readonly checked: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export type FromGenerator =
  | { readonly t: 'progress'; readonly text: string }
  | { readonly t: 'step'; readonly connections: number }
  | { readonly t: 'load'; readonly result: LoadResult }
  | { readonly t: 'audit'; readonly result: AuditResult }
  | { readonly t: 'reads'; readonly result: ReadsResult }
  | { readonly t: 'hub'; readonly result: HubResult }
  | { readonly t: 'visits'; readonly result: VisitsResult }
  | { readonly t: 'sync'; readonly result: SyncResult }
  | { readonly t: 'append'; readonly result: AppendResult }
  | { readonly t: 'failed'; readonly message: string };

export type ToGenerator = { readonly t: 'run'; readonly plan: Plan } | { readonly t: 'next' };
