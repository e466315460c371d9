import type { NodeId } from '../../src/core/ids.ts';

/** Where the packets for a sequencer go on the bus, … */
export function ownerSubject(node: NodeId): string {
  return `n.${node}`;
}

/** … and those for an edge. */
export function edgeSubject(edge: string): string {
  return `e.${edge}`;
}

/** What other nodes tell a node, edges and sequencers alike. */
export function nodeSubject(node: NodeId): string {
  return `h.${node}`;
}

/** What all who watch the leases hear. */
export const HEARTBEATS_SUBJECT = 'beats';
