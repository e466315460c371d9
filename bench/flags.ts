/** The flags of the bench: which there are, what each may be, and for which scenarios. */
import { BODY_BYTES_MIN } from './generator/frames.ts';
import { LIMITS } from '../src/protocol/limits.ts';

/** What an AppendBatch may be. */
const BATCH_ROWS_MAX = 256;

export const SCENARIOS = [
  'direct',
  'group',
  'append',
  'scale',
  'echo',
  'idle',
  'reads',
  'presence',
  'sync',
  'restart',
  'results',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

export interface Flag {
  readonly help: string;
  readonly scenarios: readonly ScenarioName[];
  /** Of a number; a flag without one is text or a switch. */
  readonly range?: readonly [min: number, max: number];
  readonly integer?: boolean;
  readonly text?: boolean;
  readonly choices?: readonly string[];
  /** Of a scenario with a mode: the one in which the flag has a meaning. */
  readonly mode?: (typeof MODES)[number];
}

export const MODES = ['embedded', 'cluster'] as const;
export const CLUSTERS = ['direct', 'group'] as const;
const LOADS = [...CLUSTERS, 'echo'] as const;
const FLAGS = {
  mode: {
    help: 'the server: one process, or edges and sequencers on real services (embedded)',
    scenarios: CLUSTERS,
    choices: MODES,
  },
  edges: {
    help: 'edges of a cluster (2)',
    scenarios: CLUSTERS,
    mode: 'cluster',
    range: [1, 8],
    integer: true,
  },
  nodes: { help: 'its sequencers (1)', scenarios: CLUSTERS, mode: 'cluster', range: [1, 8], integer: true },
  'store-nodes': {
    help: 'nodes of Cassandra (1); three keep three copies',
    scenarios: [...CLUSTERS, 'append'],
    mode: 'cluster',
    choices: ['1', '3'],
  },
  heat: {
    help: 'seconds of load before the first round of a cluster, for the compilers of all (60)',
    scenarios: [...CLUSTERS, 'append', 'scale', 'results'],
    mode: 'cluster',
    range: [0, 3600],
  },
  rows: { help: 'rows of a batch (64)', scenarios: ['append'], range: [1, BATCH_ROWS_MAX], integer: true },
  seconds: {
    help: 'measured time of a round (5; scale and presence 10)',
    scenarios: [...LOADS, 'append', 'scale', 'reads', 'presence', 'results'],
    range: [0.5, 3600],
  },
  warmup: {
    help: 'seconds before it (2; append and scale 4)',
    scenarios: [...LOADS, 'append', 'scale', 'reads', 'results'],
    range: [0, 600],
  },
  window: {
    help: 'unanswered sends per connection (1; with --rate 64); scale: in its closed loops (1)',
    scenarios: [...LOADS, 'scale'],
    range: [1, 1024],
    integer: true,
  },
  connections: {
    help: 'clients (256; idle 8000); scale: per sequencer, two in each conversation',
    scenarios: [...LOADS, 'scale', 'idle', 'reads', 'restart'],
    range: [2, 60_000],
    integer: true,
  },
  conversations: {
    help: 'direct conversations in all (half the connections; idle 10 times them, 20 each; append 32; reads 5000; sync 2000)',
    scenarios: ['direct', 'append', 'idle', 'reads', 'sync', 'restart'],
    range: [1, 5_000_000],
    integer: true,
  },
  senders: {
    help: 'members of the group that send (16)',
    scenarios: ['group'],
    range: [1, 256],
    integer: true,
  },
  rate: {
    help: 'messages per second at fixed times: an open loop; scale: per sequencer (250); reads: cursors (10000); presence: connects of the hub, and as many disconnects (10000)',
    scenarios: [...LOADS, 'scale', 'reads', 'presence'],
    range: [1, 10_000_000],
  },
  rounds: {
    help: 'rounds of each side (1; with --compare, --compare-with, scale and restart 3; sync 5)',
    scenarios: [...LOADS, 'append', 'scale', 'sync', 'restart', 'results'],
    range: [1, 100],
    integer: true,
  },
  body: {
    help: 'bytes of a body (140; restart 1000)',
    scenarios: [...LOADS, 'append', 'scale', 'sync', 'restart'],
    range: [BODY_BYTES_MIN, LIMITS.bodyBytesMax],
    integer: true,
  },
  bytes: {
    help: 'bytes of bodies in the store (1e9)',
    scenarios: ['restart', 'results'],
    range: [1e6, 1e12],
  },
  users: {
    help: 'users of the presence hub (200000)',
    scenarios: ['presence'],
    range: [100, 5_000_000],
    integer: true,
  },
  visits: {
    help: 'clients that come over sockets, and go, per second (300)',
    scenarios: ['presence'],
    range: [1, 100_000],
  },
  unread: {
    help: 'messages that the user has not read (300)',
    scenarios: ['sync'],
    range: [0, 1_000_000],
    integer: true,
  },
  compare: {
    help: 'also run the bare baseline, in turns, and print the ratio',
    scenarios: [...CLUSTERS, 'append'],
  },
  'compare-with': {
    help: "another build's dist folder: its rounds in turns with this one's, and the ratio",
    scenarios: CLUSTERS,
    mode: 'embedded',
    text: true,
  },
  cluster: {
    help: 'whether to measure the cluster too: auto, yes or no (auto: if its services can be had)',
    scenarios: ['results'],
    choices: ['auto', 'yes', 'no'],
  },
  json: { help: 'one JSON object instead of a table', scenarios: [...SCENARIOS] },
  dir: {
    help: "where the server's data goes (the system's temporary folder)",
    scenarios: [...CLUSTERS, 'idle', 'reads', 'presence', 'sync', 'restart', 'results'],
    mode: 'embedded',
    text: true,
  },
  profile: {
    help: "a folder for the servers' .cpuprofile",
    scenarios: [...CLUSTERS, 'append'],
    text: true,
  },
  server: {
    help: "another build's dist/src/cli/main.js to measure (this repository's)",
    scenarios: [...CLUSTERS, 'idle', 'reads', 'presence', 'sync', 'restart', 'results'],
    mode: 'embedded',
    text: true,
  },
} as const satisfies Record<string, Flag>;

export type FlagName = keyof typeof FLAGS;
export const flags: Readonly<Record<FlagName, Flag>> = FLAGS;
