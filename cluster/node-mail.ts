import { BUS_MESSAGE_BYTES_MAX, type Bus, type BusSubscription } from '../src/core/cluster-ports.ts';
import { type ConversationId, isUuid, type NodeId } from '../src/core/ids.ts';
import type { Logger } from '../src/core/ports.ts';
import type { HandOver } from '../src/core/rows.ts';
import { packArray, unpackArray } from './array-codec.ts';
import type { Offer } from './offers.ts';
import { nodeSubject } from './peer/subjects.ts';

/** What nodes tell one another. All of it may be lost: it only makes things faster, or is said again. */
type Mail =
  | readonly ['offer', ConversationId, number, HandOver, NodeId, number]
  | readonly ['released', ConversationId, NodeId]
  | readonly ['arrived', ConversationId]
  | readonly ['show', ConversationId]
  | readonly ['buried', NodeId]
  | readonly ['drain', boolean];

export interface NodeMailListener {
  offered(offer: Offer): void;
  released(conv: ConversationId, giver: NodeId): void;
  arrived(conv: ConversationId): void;
  show(conv: ConversationId): void;
  buried(node: NodeId): void;
  drain(isWanted: boolean): void;
}

/** Messages between nodes, one bus message each. */
export class NodeMail {
  readonly #bus: Bus;
  readonly #from: NodeId;
  #lastOffer = 0;

  constructor(bus: Bus, from: NodeId) {
    this.#bus = bus;
    this.#from = from;
  }

  /** Not sent when it is larger than the bus takes: the successor then recovers the conversation. */
  offer(to: NodeId, conv: ConversationId, fence: number, state: HandOver): void {
    this.#send(to, ['offer', conv, fence, state, this.#from, ++this.#lastOffer]);
  }

  released(to: NodeId, conv: ConversationId): void {
    this.#send(to, ['released', conv, this.#from]);
  }

  /** The conversation that you have released is served here. */
  arrived(to: NodeId, conv: ConversationId): void {
    this.#send(to, ['arrived', conv]);
  }

  /** The conversation is yours, and its members may not have been told of its last event. */
  show(to: NodeId, conv: ConversationId): void {
    this.#send(to, ['show', conv]);
  }

  /** The node is marked dead. */
  buried(to: NodeId, node: NodeId): void {
    this.#send(to, ['buried', node]);
  }

  drain(to: NodeId, isWanted: boolean): void {
    this.#send(to, ['drain', isWanted]);
  }

  #send(to: NodeId, mail: Mail): void {
    const bytes = packArray(mail);
    if (bytes.length <= BUS_MESSAGE_BYTES_MAX) this.#bus.publish(nodeSubject(to), bytes);
  }
}

/** Hears what others tell this node. What can't be read, from another version maybe, is left out. */
export function receiveNodeMail(
  bus: Bus,
  node: NodeId,
  listener: NodeMailListener,
  logger: Logger,
): BusSubscription {
  return bus.subscribe(nodeSubject(node), (bytes) => {
    const mail = read(bytes);
    if (mail === undefined)
      logger.warn({ bytes: bytes.length }, 'a message of another node could not be read');
    else if (mail[0] === 'offer') {
      const [, conv, fence, state, from, number] = mail;
      listener.offered({ conv, fence, state, from, number, bytes: bytes.length });
    } else if (mail[0] === 'released') listener.released(mail[1], mail[2]);
    else if (mail[0] === 'arrived') listener.arrived(mail[1]);
    else if (mail[0] === 'show') listener.show(mail[1]);
    else if (mail[0] === 'buried') listener.buried(mail[1]);
    else listener.drain(mail[1]);
  });
}

function read(bytes: Uint8Array): Mail | undefined {
  const [t, about, ...rest] = unpackArray(bytes) ?? [];
  if (t === 'drain') return typeof about === 'boolean' ? ['drain', about] : undefined;
  if (typeof about !== 'string' || !isUuid(about)) return undefined;
  if (t === 'arrived' || t === 'show' || t === 'buried') return [t, about];
  if (t === 'released') {
    const [giver] = rest;
    return typeof giver === 'string' && isUuid(giver) ? ['released', about, giver] : undefined;
  }
  const [fence, state, from, number] = rest;
  if (t !== 'offer' || ![fence, number].every(Number.isSafeInteger) || !isHandOver(state)) return undefined;
  if (typeof from !== 'string' || !isUuid(from)) return undefined;
  return ['offer', about, fence as number, state, from, number as number];
}

/** Of what this program writes: another version would write another shape. */
function isHandOver(value: unknown): value is HandOver {
  if (typeof value !== 'object' || value === null) return false;
  const { conversation, members, head, tail, ids, coversFrom } = value as Partial<
    Record<keyof HandOver, unknown>
  >;
  return (
    typeof conversation === 'object' &&
    conversation !== null &&
    [members, tail, ids].every(Array.isArray) &&
    [head, coversFrom].every(Number.isSafeInteger)
  );
}
