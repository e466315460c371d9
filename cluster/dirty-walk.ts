import type { ConversationActor } from '../src/core/actor.ts';
import type { ConversationId, NodeId, UserId } from '../src/core/ids.ts';
import type { EdgeLink, System, Timer } from '../src/core/ports.ts';

/** A walk opens this many conversations per interval. */
const STEP_CELLS_MAX = 64;
const STEP_MS = 20;
const RETRY_MS_MAX = 60_000;
const ELSEWHERE_TIMES = 3;
const ELSEWHERE_AGAIN_MS = 500;

/**
 * The conversations whose last events nobody may have been shown, after a crash or a write of unknown outcome:
 * opens them, a bounded number at a time, and keeps their names until they are `shown`. Holds no more of them
 * than were marked dirty or in memory.
 */
export class DirtyWalk {
  readonly #system: System;
  /** False: there is no room for it now. */
  readonly #open: (conv: ConversationId) => boolean;
  readonly #showElsewhere: ((conv: ConversationId, owner: NodeId) => void) | undefined;
  /** With the number of tries that failed. */
  readonly #unshown = new Map<ConversationId, number>();
  readonly #toOpen = new Set<ConversationId>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    system: System,
    open: (conv: ConversationId) => boolean,
    showElsewhere?: (conv: ConversationId, owner: NodeId) => void,
  ) {
    this.#system = system;
    this.#open = open;
    this.#showElsewhere = showElsewhere;
  }

  /** How many are not shown yet: until there are none, no dirty mark may be forgotten. */
  get size(): number {
    return this.#unshown.size;
  }

  has(conv: ConversationId): boolean {
    return this.#unshown.has(conv);
  }

  /** Opens these in their turn. */
  start(convs: readonly ConversationId[]): void {
    for (const conv of convs) {
      this.expect(conv);
      this.#toOpen.add(conv);
    }
    if (this.#timer === undefined) this.#step();
  }

  /** This one is being opened by someone else. */
  expect(conv: ConversationId): void {
    if (!this.#unshown.has(conv)) this.#unshown.set(conv, 0);
  }

  /** It could not be opened: another try after `firstMs`, and after twice as long each further time. */
  retry(conv: ConversationId, firstMs: number): void {
    const failed = this.#unshown.get(conv) ?? 0;
    this.#unshown.set(conv, failed + 1);
    this.#system.after(Math.min(RETRY_MS_MAX, firstMs * 2 ** failed), () => this.start([conv]));
  }

  /** Its owner is asked to show it, a few times since that may be lost, and as long as it is the owner. */
  ownedElsewhere(conv: ConversationId, owner: NodeId): void {
    const tries = this.#unshown.get(conv) ?? ELSEWHERE_TIMES;
    if (this.#showElsewhere === undefined || tries >= ELSEWHERE_TIMES) {
      this.shown(conv);
      return;
    }
    this.#showElsewhere(conv, owner);
    this.retry(conv, ELSEWHERE_AGAIN_MS);
  }

  /** There is reason to hope: all that could not be opened is tried anew. */
  again(): void {
    for (const conv of this.#unshown.keys()) this.#unshown.set(conv, 0);
    this.start([...this.#unshown.keys()]);
  }

  shown(conv: ConversationId): void {
    this.#unshown.delete(conv);
    this.#toOpen.delete(conv);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #step(): void {
    this.#timer = undefined;
    if (this.#stopped) return;
    let opened = 0;
    for (const conv of this.#toOpen) {
      if (opened === STEP_CELLS_MAX || !this.#open(conv)) break;
      opened++;
      this.#toOpen.delete(conv);
    }
    if (this.#toOpen.size > 0) this.#timer = this.#system.after(STEP_MS, () => this.#step());
  }
}

/** All whom the conversation concerns are told where it stands. Returns those who have ceased to be members. */
export function tellMembers(actor: ConversationActor, edge: EdgeLink): UserId[] {
  const departed: UserId[] = [];
  for (const { user, entry } of actor.projection(undefined).inbox) {
    const { conv, head: seq, n, unread, removed } = entry;
    edge.deliver({ t: 'conversation', user, entry });
    if (removed !== undefined) departed.push(user);
    else if (seq > 0) edge.deliver({ t: 'head', conv, user, seq, n, unread });
  }
  return departed;
}
