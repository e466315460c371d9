import { Packr } from 'msgpackr';
import type { Bus, BusSubscription } from '../src/core/cluster-ports.ts';
import { isUuid, type NodeId } from '../src/core/ids.ts';
import { HEARTBEATS_SUBJECT } from './peer/subjects.ts';
import type { Term } from './term.ts';
import type { Watcher } from './watcher.ts';

const PACKR = new Packr({ useRecords: false });

/** Tells all who watch of each heartbeat that was applied. It may be lost: they read the leases as well. */
export function tellHeartbeats(term: Term, bus: Bus): void {
  term.onHeartbeat((hb) => bus.publish(HEARTBEATS_SUBJECT, PACKR.pack([term.node, hb])));
}

/** What can't be read, from another version maybe, is left out. */
export function hearHeartbeats(watcher: Watcher, bus: Bus): BusSubscription {
  return bus.subscribe(HEARTBEATS_SUBJECT, (bytes) => {
    const heartbeat = read(bytes);
    if (heartbeat !== undefined) watcher.heard(...heartbeat);
  });
}

function read(bytes: Uint8Array): [NodeId, number] | undefined {
  let value: unknown;
  try {
    value = PACKR.unpack(bytes);
  } catch {
    return undefined; // no msgpack
  }
  if (!Array.isArray(value)) return undefined;
  const [node, hb] = value as unknown[];
  return typeof node === 'string' && isUuid(node) && Number.isSafeInteger(hb)
    ? [node, hb as number]
    : undefined;
}
