/** Plain numbers that the peer links of a process add to; telemetry reads them. */
export interface PeerMetrics {
  readonly counts: {
    packetsOut: number;
    packetsIn: number;
    framesOut: number;
    framesIn: number;
    bytesOut: number;
    bytesIn: number;
    /** Packets that the bus did not take: they wait in the ring. */
    refused: number;
    duplicates: number;
    /** Packets of an earlier life of either end. */
    stale: number;
    malformed: number;
    /** Times that packets were found missing, packets that came after all, and packets given up. */
    gapsSeen: number;
    repaired: number;
    lost: number;
    /** Packets sent again when asked. */
    resends: number;
    /** Links that began anew because the other end did. */
    resets: number;
    /** Requests sent to an owner again, redirected, and given up at their deadline. */
    requestsResent: number;
    redirects: number;
    deadlines: number;
    /** Answers that nothing waited for any more. */
    lateAnswers: number;
    refusalsKept: number;
    /** Events whose recipients were not known here. */
    unknownSets: number;
    setsSent: number;
    /** Users whose inboxes were read again. */
    resyncs: number;
    /** Conversations told of again after a loss or to those who connected. */
    headsRepaired: number;
  };
  readonly gauges: {
    links: number;
    ringBytes: number;
    heldBytes: number;
    pendingRequests: number;
    /** Users online at the edges, each counted once per edge. */
    onlineUsers: number;
  };
}

export function newPeerMetrics(): PeerMetrics {
  return {
    counts: {
      packetsOut: 0,
      packetsIn: 0,
      framesOut: 0,
      framesIn: 0,
      bytesOut: 0,
      bytesIn: 0,
      refused: 0,
      duplicates: 0,
      stale: 0,
      malformed: 0,
      gapsSeen: 0,
      repaired: 0,
      lost: 0,
      resends: 0,
      resets: 0,
      requestsResent: 0,
      redirects: 0,
      deadlines: 0,
      lateAnswers: 0,
      refusalsKept: 0,
      unknownSets: 0,
      setsSent: 0,
      resyncs: 0,
      headsRepaired: 0,
    },
    gauges: { links: 0, ringBytes: 0, heldBytes: 0, pendingRequests: 0, onlineUsers: 0 },
  };
}
