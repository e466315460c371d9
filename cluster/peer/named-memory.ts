import type { ConversationId, UserId } from '../../src/core/ids.ts';
import { RingBuffer } from '../../src/core/ring-buffer.ts';
import type { PeerBounds } from './bounds.ts';

interface Told {
  readonly user: UserId;
  readonly conv: ConversationId;
  /** Monotonic ms. */
  readonly at: number;
}

type Bounds = Pick<PeerBounds, 'rememberMs' | 'rememberedMax'>;

/** Which users were told something of a conversation by name of late: those who connect may have missed it. */
export class NamedMemory {
  readonly #bounds: Bounds;
  readonly #inOrder: RingBuffer<Told>;
  readonly #byUser = new Map<UserId, Map<ConversationId, Told>>();
  #forgottenAt: number | undefined;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#inOrder = new RingBuffer<Told>(bounds.rememberedMax);
  }

  get size(): number {
    return this.#inOrder.length;
  }

  /** Whether something told at `since` (monotonic ms) or later is not remembered any more. */
  hasForgotten(since: number): boolean {
    return this.#forgottenAt !== undefined && this.#forgottenAt >= since;
  }

  /** `keepOld`: what is older than usual is still wanted. */
  remember(user: UserId, conv: ConversationId, now: number, keepOld: boolean): void {
    while (!keepOld && now - (this.#inOrder.at(0)?.at ?? now) > this.#bounds.rememberMs) this.#dropOldest();
    if (this.#inOrder.isFull) this.#dropOldest();
    const told: Told = { user, conv, at: now };
    this.#inOrder.push(told);
    const convs = this.#byUser.get(user);
    if (convs === undefined) this.#byUser.set(user, new Map([[conv, told]]));
    else convs.set(conv, told);
  }

  /** The conversations of which the user was told at `since` or later. */
  *ofUser(user: UserId, since: number): Generator<ConversationId> {
    for (const [conv, { at }] of this.#byUser.get(user) ?? []) if (at >= since) yield conv;
  }

  #dropOldest(): void {
    const told = this.#inOrder.shift();
    if (told === undefined) return;
    this.#forgottenAt = told.at;
    const convs = this.#byUser.get(told.user);
    if (convs?.get(told.conv) === told) convs.delete(told.conv); // it was not told again since
    if (convs?.size === 0) this.#byUser.delete(told.user);
  }
}
