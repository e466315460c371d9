import type { Bus, BusSubscription } from '../src/core/cluster-ports.ts';
import { isUuid, type NodeId } from '../src/core/ids.ts';
import { packArray, unpackArray } from './array-codec.ts';
import { HEARTBEATS_SUBJECT } from './peer/subjects.ts';
import type { Term } from './term.ts';
import type { Watcher } from './watcher.ts';

/** Tells all who watch of each heartbeat that was applied. It may be lost: they read the leases as well. */
export function tellHeartbeats(term: Term, bus: Bus): void {
  term.onHeartbeat((hb) => bus.publish(HEARTBEATS_SUBJECT, packArray([term.node, hb])));
}

/** What can't be read, from another version maybe, is left out. */
export function hearHeartbeats(watcher: Watcher, bus: Bus): BusSubscription {
  return bus.subscribe(HEARTBEATS_SUBJECT, (bytes) => {
    const heartbeat = read(bytes);
    if (heartbeat !== undefined) watcher.heard(...heartbeat);
  });
}

function read(bytes: Uint8Array): [NodeId, number] | undefined {
  const [node, hb] = unpackArray(bytes) ?? [];
  return typeof node === 'string' && isUuid(node) && Number.isSafeInteger(hb)
    ? [node, hb as number]
    : undefined;
}
