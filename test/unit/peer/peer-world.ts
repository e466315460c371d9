import { Buffer } from 'node:buffer';
import type { PeerBounds } from '../../../cluster/peer/bounds.ts';
import { DATA } from '../../../cluster/peer/packet.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { createGroup } from '../actors/requests.ts';
import { EdgeNode } from './edge-node.ts';
import { OwnerNode } from './owner-node.ts';
import { RoughNet } from './rough-bus.ts';

export interface World {
  readonly system: VirtualSystem;
  readonly net: RoughNet;
  readonly store: MemoryStore;
  readonly owner: OwnerNode;
  readonly a: EdgeNode;
  readonly b: EdgeNode;
  /** Whom the ring names, for every conversation. */
  readonly ring: { owner: string };
}

/** One owner and two edges. */
export async function world(bounds: Partial<PeerBounds> = {}): Promise<World> {
  const system = new VirtualSystem(1);
  const net = new RoughNet(system, 1);
  const store = new MemoryStore(system);
  const owner = new OwnerNode(1, system, net, store, bounds);
  const ring = { owner: owner.id };
  const edges = [2, 3].map((i) => new EdgeNode(i, system, net, store, () => ring.owner, bounds));
  const [a, b] = edges as [EdgeNode, EdgeNode];
  for (const edge of edges) edge.owners.useSequencers([owner.id]);
  await system.settle();
  return { system, net, store, owner, a, b, ring };
}

/** A group of ann and bob at edge a, cid at edge b, and dan who is offline. */
export async function withGroup(bounds: Partial<PeerBounds> = {}) {
  const made = await world(bounds);
  const { a, b, system } = made;
  const [ann, bob, cid] = [a.connect('ann'), a.connect('bob'), b.connect('cid')];
  a.ask(createGroup(['ann', 'bob', 'cid', 'dan'], { session: ann.number }));
  await system.advance(6_000); // projected
  return { ...made, ann, bob, cid };
}

export const isData = (bytes: Uint8Array): boolean => bytes[1] === DATA;

/** Nothing of the edge's reaches the owner; what was cut comes by repair afterwards, in order. */
export function cutOff(net: RoughNet, edge: EdgeNode): void {
  const id = Buffer.from(edge.id.replaceAll('-', ''), 'hex');
  net.cut = (subject, bytes) => subject.startsWith('n.') && id.equals(bytes.subarray(2, 18));
}
