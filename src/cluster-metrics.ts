import type { Registry } from 'prom-client';
import {
  counters,
  gauges,
  histogram,
  LATENCY_BUCKETS,
  type Measure,
  type Numbers,
  type Source,
  zeros,
} from './metric-kinds.ts';

/** The metrics of a node of a cluster: names beside those of telemetry.ts. */

const PEER_COUNTERS = {
  packetsOut: ['carillon_peer_packets_out_total', 'Packets sent to peers.'],
  packetsIn: ['carillon_peer_packets_in_total', 'Packets received from peers.'],
  framesOut: ['carillon_peer_frames_out_total', 'Frames in the packets sent.'],
  framesIn: ['carillon_peer_frames_in_total', 'Frames in the packets received.'],
  bytesOut: ['carillon_peer_bytes_out_total', 'Bytes of the packets sent.'],
  bytesIn: ['carillon_peer_bytes_in_total', 'Bytes of the packets received.'],
  refused: ['carillon_peer_refused_total', 'Packets that the bus did not take, which wait in the ring.'],
  duplicates: ['carillon_peer_duplicates_total', 'Packets that came twice.'],
  stale: ['carillon_peer_stale_total', 'Packets of an earlier life of either end.'],
  malformed: ['carillon_peer_malformed_total', 'Packets that could not be read.'],
  gapsSeen: ['carillon_peer_gaps_total', 'Times that packets were found missing.'],
  repaired: ['carillon_peer_repaired_total', 'Missing packets that came after all.'],
  lost: ['carillon_peer_lost_total', 'Missing packets given up: what was in them is told anew.'],
  resends: ['carillon_peer_resends_total', 'Packets sent again because a peer missed them.'],
  resets: ['carillon_peer_resets_total', 'Links begun anew because the other end did.'],
  requestsResent: ['carillon_peer_requests_resent_total', 'Requests sent to an owner again.'],
  redirects: ['carillon_peer_redirects_total', 'Requests that went on to another owner.'],
  deadlines: ['carillon_peer_deadlines_total', 'Requests given up at their deadline.'],
  lateAnswers: ['carillon_peer_late_answers_total', 'Answers that nothing waited for any more.'],
  refusalsKept: [
    'carillon_peer_refusals_kept_total',
    'Refusals of owners about to be replaced, whose requests went again.',
  ],
  unknownSets: ['carillon_peer_unknown_sets_total', 'Events whose recipients were not known here.'],
  setsSent: ['carillon_peer_sets_sent_total', 'Sets of recipients told to edges.'],
  resyncs: ['carillon_peer_resyncs_total', 'Users whose inboxes were read again.'],
  headsRepaired: ['carillon_peer_heads_repaired_total', 'Conversations told of again.'],
} as const;

const PEER_GAUGES = {
  links: ['carillon_peer_links', 'Peers that are spoken with.'],
  ringBytes: ['carillon_peer_ring_bytes', 'Bytes kept to be sent again.'],
  heldBytes: ['carillon_peer_held_bytes', 'Bytes received that wait for what is missing before them.'],
  pendingRequests: ['carillon_peer_pending_requests', 'Requests not answered by their owner.'],
  onlineUsers: ['carillon_peer_online_users', 'Users online, counted once per edge.'],
} as const;

/** As cluster/peer counts; see there. */
export interface PeerNumbers {
  readonly counts: Readonly<Numbers<keyof typeof PEER_COUNTERS>>;
  readonly gauges: Readonly<Numbers<keyof typeof PEER_GAUGES>>;
}

/** The side of the links that a process is: an edge, or an owner of conversations. */
export type PeerSide = 'edge' | 'owner';

/** Registers the peers' metrics; what it returns adds a side, or puts other numbers in its place. */
export function peerMetrics(registry: Registry): (side: PeerSide, numbers: PeerNumbers) => void {
  const counts = new Map<PeerSide, Source<keyof typeof PEER_COUNTERS>>();
  const states = new Map<PeerSide, Source<keyof typeof PEER_GAUGES>>();
  counters(registry, PEER_COUNTERS, each(counts), ['side']);
  gauges(registry, PEER_GAUGES, each(states), ['side']);
  return (side, numbers) => {
    counts.set(side, [{ side }, numbers.counts]);
    states.set(side, [{ side }, numbers.gauges]);
  };
}

/** The values of a map, as often as they are asked for. */
function each<V>(map: ReadonlyMap<unknown, V>): Iterable<V> {
  return { [Symbol.iterator]: () => map.values() };
}

const CLUSTER_COUNTERS = {
  takeovers: ['carillon_takeovers_total', 'Conversations taken over from another node or term.'],
  handoffs: ['carillon_handoffs_total', 'Conversations handed over to another node.'],
  stepDowns: ['carillon_step_downs_total', 'Times that the node stepped down.'],
} as const;

const CLUSTER_GAUGES = {
  termState: ['carillon_term_state', '0 starting, 1 live, 2 stepped down, 3 over.'],
  dirtyWalkPending: [
    'carillon_dirty_walk_pending',
    'Conversations of dead nodes whose last events are still to be shown.',
  ],
  handoffsPending: [
    'carillon_handoffs_pending',
    'Conversations that are to be handed over, or on their way.',
  ],
  projectionsPending: ['carillon_projections_pending', 'Projections that are still to be written.'],
} as const;

export interface ClusterMetrics {
  /** For how long a conversation that is handed over takes no request. */
  readonly handoffSeconds: Measure;
  readonly counts: Numbers<keyof typeof CLUSTER_COUNTERS>;
  readonly gauges: Numbers<keyof typeof CLUSTER_GAUGES>;
  readonly barrierSeconds: Measure;
}

export function clusterMetrics(registry: Registry): ClusterMetrics {
  const counts = zeros(CLUSTER_COUNTERS);
  counters(registry, CLUSTER_COUNTERS, [[{}, counts]]);
  const states = zeros(CLUSTER_GAUGES);
  gauges(registry, CLUSTER_GAUGES, [[{}, states]]);
  const barrierSeconds = histogram(
    registry,
    'carillon_barrier_seconds',
    'Time of a barrier: a read of the own lease.',
    LATENCY_BUCKETS,
  );
  const handoffSeconds = histogram(
    registry,
    'carillon_handoff_seconds',
    'Time for which nobody served a conversation that was handed over: from its last request here until its next owner says that it serves it (1 s if it says nothing).',
    LATENCY_BUCKETS,
  );
  return { counts, gauges: states, barrierSeconds, handoffSeconds };
}
