import { SessionOrdinals } from '../../../actors/session-ordinals.ts';
import type { Entry } from '../../../src/core/entry.ts';
import type { Audience, NodeRequest, SendRequest } from '../../../src/core/requests.ts';
import { audience, entryOf, messageDelivery, type Rig } from './rig.ts';

/** A conversation's owner, small: one seq per event, every event a message; what it tells follows the real one. */
export class ModelConversation {
  readonly conv: string;
  readonly members: Set<string>;
  /** Of former members. */
  readonly left = new Map<string, number>();
  head = 0;
  readonly #rig: Rig;
  readonly #ordinals = new SessionOrdinals(512);
  readonly #queue: NodeRequest[] = [];
  #audience: Audience;

  constructor(rig: Rig, conv: string, members: readonly string[]) {
    this.#rig = rig;
    this.conv = conv;
    this.members = new Set(members);
    this.#audience = audience(conv, members);
  }

  take(request: NodeRequest, isFull: boolean): void {
    if (isFull) this.#refuse(request, 'overloaded');
    else this.#queue.push(request);
  }

  /** Answers what waits, `refuseFrom` on being refused as the store would. */
  turn(refuseFrom: number): void {
    for (const [i, request] of this.#queue.splice(0).entries()) {
      if (!this.members.has(request.user)) this.#refuse(request, 'not_member');
      else if (request.t === 'send') this.#send(request, i >= refuseFrom);
      else if (i >= refuseFrom) this.#refuse(request, 'unavailable');
      else if (request.t === 'history')
        this.#rig.answer(request, { t: 'page', head: this.head, frames: [], more: false });
      else if (request.t !== 'read')
        this.#rig.answer(request, { t: 'ok', seq: this.#audience.version, members: undefined });
    }
  }

  /** A member goes, or somebody comes. */
  toggle(user: string): void {
    const seq = this.head + 1;
    const isGone = this.members.delete(user);
    if (isGone) {
      this.left.set(user, seq);
    } else {
      this.members.add(user);
      this.left.delete(user);
    }
    this.#audience = audience(this.conv, [...this.members], seq);
    const entry = this.entryFor(user) as Entry;
    this.#rig.edge.deliver({ t: 'conversation', user, entry });
    this.head = seq;
    this.#rig.edge.deliver(messageDelivery(this.#audience, seq, undefined));
  }

  entryFor(user: string): Entry | undefined {
    const removed = this.left.get(user);
    if (removed !== undefined)
      return entryOf(this.conv, { head: removed - 1, n: removed - 1, removed, unread: 0 });
    if (!this.members.has(user)) return undefined;
    return entryOf(this.conv, { head: this.head, n: this.head, ts: this.head, unread: this.head });
  }

  #send(request: SendRequest, isRefused: boolean): void {
    const { edge, session, ordinal, base } = request;
    if (!this.#ordinals.take(edge, session, ordinal, base)) {
      this.#refuse(request, 'unavailable');
    } else if (isRefused) {
      this.#ordinals.giveBack(edge, session, ordinal);
      this.#refuse(request, 'unavailable');
    } else {
      const seq = ++this.head;
      this.#rig.ack(request, seq);
      const event = messageDelivery(this.#audience, seq, undefined, 3_000);
      this.#rig.edge.deliver({ ...event, exceptEdge: edge, exceptSession: session });
    }
  }

  #refuse(request: NodeRequest, code: 'overloaded' | 'unavailable' | 'not_member'): void {
    if (request.id === 0) return;
    const retryAfterMs = code === 'not_member' ? undefined : 50;
    this.#rig.answer(request, { t: 'error', code, message: 'refused by the model', retryAfterMs });
  }
}
