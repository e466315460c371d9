import type { ConversationId, DeviceId, Seq, UserId } from './ids.ts';

/**
 * Conveniences that nothing relies on: what is told here may be lost, late or forgotten, and a read may answer
 * that it does not know. No call throws, waits long or queues without a bound; what goes wrong shows in metrics.
 */

/** How long a device counts as online after it was last told of, and how often its edge tells of it. */
export const PRESENCE_MS = 90_000;
export const PRESENCE_REFRESH_MS = 30_000;

/** What an owner's tail cache keeps of a conversation, and for how long after the last event. */
export const TAIL_EVENTS_MAX = 50;
export const TAIL_MS = 600_000;

/** The service did not answer in time, or is away. */
export type Unknown = 'unknown';

export interface DeviceAt {
  readonly device: DeviceId;
  /** The edge that holds the device's connection. */
  readonly edge: string;
}

/** Which devices of a user are connected, and where: for HTTP and for the operator. */
export interface Presence {
  /** The device is connected to the edge, for PRESENCE_MS from now; only queues. */
  online(user: UserId, device: DeviceId, edge: string): void;
  /** The device left the edge; what another edge said of it stays. Only queues. */
  offline(user: UserId, device: DeviceId, edge: string): void;
  /** One entry per device, the edge that told of it last; sorted by device. */
  devices(user: UserId): Promise<readonly DeviceAt[] | Unknown>;
}

export interface TailEvent {
  readonly seq: Seq;
  /** The `message` frame in its binary form; never changed afterwards by whoever holds it. */
  readonly bytes: Uint8Array;
}

/** The last committed events of conversations: a warm start for whoever comes to own them. */
export interface TailCache {
  /** Adds committed events, in any order, some perhaps known; only queues. */
  put(conv: ConversationId, events: readonly TailEvent[]): void;
  /** The last events known: at most TAIL_EVENTS_MAX, seqs rising and dense; empty when there are none. */
  get(conv: ConversationId): Promise<readonly TailEvent[] | Unknown>;
}

/** The last of `events` (seqs rising, some perhaps twice) that follow one another without a hole. */
export function denseTail(events: readonly TailEvent[]): TailEvent[] {
  const tail: TailEvent[] = [];
  for (let i = events.length - 1; i >= 0 && tail.length < TAIL_EVENTS_MAX; i--) {
    const event = events[i] as TailEvent;
    const next = tail.at(-1);
    if (next !== undefined && event.seq === next.seq) continue;
    if (next !== undefined && event.seq !== next.seq - 1) break;
    tail.push(event);
  }
  return tail.reverse();
}
