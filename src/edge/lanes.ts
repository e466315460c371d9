import type { ErrorCode } from '../core/errors.ts';
import type { ConversationId } from '../core/ids.ts';

/** What later sends to a conversation are told while they are held back. */
export interface LaneRefusal {
  readonly code: ErrorCode;
  readonly retryAfterMs: number;
}

/** A send's place: among the session's sends to the conversation, and the lowest one still unanswered. */
export interface LanePlace {
  readonly ordinal: number;
  readonly base: number;
}

interface Lane {
  next: number;
  /** The lowest ordinal that is unanswered; `next` when none is. */
  base: number;
  unanswered: number;
  /** Ordinals above `base` that were answered before it. */
  early: Set<number> | undefined;
  /** Monotonic ms until which sends are held back, … */
  heldUntil: number;
  /** … and until which those are that are no retries: whoever sends them has not heard of the refusal yet. */
  owedUntil: number;
  heldCode: ErrorCode;
  /** The refused send that is waited for, and its ordinal; '' and infinite while none is. */
  owedCmid: string;
  owedOrdinal: number;
  /** Those refused behind it: client message ids. */
  behind: Set<string> | undefined;
}

/** What a refused send holds back those behind it for, at least: they may be on their way already. */
const HOLD_MS_MIN = 20;
/** A client that has not heard of a refusal for so long has heard nothing, and given the connection up. */
const OWED_MS_MAX = 30_000;
/** By then a client has heard of a refusal: a retry of a later send means that the refused one does not come again. */
const STRICT_MS = 2_000;
const BEHIND_MAX = 256;
/** Another look after this long, when there are too many lanes. */
const CROWDED_MS = 50;

/**
 * Keeps one session's sends to each conversation in order over refusals. A refused send holds back the later
 * ones, here until `retryAfterMs` has passed and a retry has come, at the owner because their ordinals are not the
 * expected one. A lane is kept only while something is unanswered or held back. Numbering then goes on above all
 * numbers used so far: a number used twice could be taken for one that the owner still expects.
 */
export class Lanes {
  readonly #lanes = new Map<ConversationId, Lane>();
  readonly #lanesMax: number;
  #first = 1;
  /** Refusals that found no room for a lane hold back everything. */
  #allHeldUntil = 0;

  constructor(lanesMax: number) {
    this.#lanesMax = lanesMax;
  }

  get size(): number {
    return this.#lanes.size;
  }

  /**
   * Why a send to `conv` may not go now; undefined: it may. Whoever is refused holds back those right behind until it may
   * come again itself: at the end of a hold they would else pass it by. A retry may be of one that was refused before,
   * whose sender has not heard yet that the one before it was refused again.
   */
  refusal(conv: ConversationId, cmid: string, isRetry: boolean, now: number): LaneRefusal | undefined {
    const lane = this.#lanes.get(conv);
    if (this.#allHeldUntil > now) {
      const retryAfterMs = Math.max(HOLD_MS_MIN, Math.ceil(this.#allHeldUntil - now));
      this.#allHeldUntil = now + retryAfterMs;
      return { code: 'overloaded', retryAfterMs };
    }
    if (lane === undefined) {
      if (this.#lanes.size < this.#lanesMax) return undefined;
      this.prune(now);
      return this.#lanes.size < this.#lanesMax ? undefined : { code: 'overloaded', retryAfterMs: CROWDED_MS };
    }
    const isAwaited = lane.owedUntil <= now || (isRetry && !isBehind(lane, cmid, now));
    if (lane.heldUntil <= now && isAwaited) return undefined;
    this.#waits(lane, cmid);
    const retryAfterMs = Math.max(HOLD_MS_MIN, Math.ceil(lane.heldUntil - now));
    lane.heldUntil = now + retryAfterMs;
    return { code: lane.heldCode, retryAfterMs };
  }

  /** Numbers a send; `refusal` has admitted it. */
  enter(conv: ConversationId, cmid: string): LanePlace {
    const lane = this.#lane(conv);
    lane.unanswered++;
    lane.owedUntil = 0;
    lane.owedCmid = '';
    lane.owedOrdinal = Number.POSITIVE_INFINITY;
    lane.behind?.delete(cmid);
    return { ordinal: lane.next++, base: lane.base };
  }

  /** The owner's answer to a numbered send; `retryable`: it was refused, and may be sent again. */
  answered(
    conv: ConversationId,
    cmid: string,
    ordinal: number,
    retryable: ErrorCode | undefined,
    retryAfterMs: number,
    now: number,
  ): void {
    const lane = this.#lanes.get(conv);
    if (lane === undefined) return;
    lane.unanswered--;
    if (ordinal !== lane.base) {
      lane.early ??= new Set();
      lane.early.add(ordinal);
    } else {
      do lane.base++;
      while (lane.early?.delete(lane.base) === true);
    }
    if (retryable !== undefined) {
      this.#holdBack(lane, retryable, now, retryAfterMs);
      this.#owes(lane, cmid, ordinal);
    } else if (isIdle(lane, now)) {
      this.#drop(conv, lane);
    }
  }

  /** A send was refused before it was numbered. */
  hold(conv: ConversationId, cmid: string, code: ErrorCode, retryAfterMs: number, now: number): void {
    if (this.#lanes.size >= this.#lanesMax && !this.#lanes.has(conv)) {
      this.#allHeldUntil = Math.max(this.#allHeldUntil, now + retryAfterMs);
      return;
    }
    const lane = this.#lane(conv);
    this.#holdBack(lane, code, now, retryAfterMs);
    this.#owes(lane, cmid, Number.MAX_SAFE_INTEGER);
  }

  /** Forgets lanes that hold nothing back any more. */
  prune(now: number): void {
    for (const [conv, lane] of this.#lanes) if (isIdle(lane, now)) this.#drop(conv, lane);
  }

  #lane(conv: ConversationId): Lane {
    const known = this.#lanes.get(conv);
    if (known !== undefined) return known;
    const lane: Lane = {
      next: this.#first,
      base: this.#first,
      unanswered: 0,
      early: undefined,
      heldUntil: 0,
      owedUntil: 0,
      heldCode: 'unavailable',
      owedCmid: '',
      owedOrdinal: Number.POSITIVE_INFINITY,
      behind: undefined,
    };
    this.#lanes.set(conv, lane);
    return lane;
  }

  /** Later sends were not passed on, so of theirs nothing is unknown. */
  #holdBack(lane: Lane, code: ErrorCode, now: number, retryAfterMs: number): void {
    lane.heldUntil = Math.max(lane.heldUntil, now + retryAfterMs);
    lane.owedUntil = now + OWED_MS_MAX;
    lane.heldCode = code === 'rate_limited' || code === 'overloaded' ? code : 'unavailable';
  }

  /** Of those refused, the one that was sent first is to come again first. */
  #owes(lane: Lane, cmid: string, ordinal: number): void {
    if (ordinal >= lane.owedOrdinal) {
      this.#waits(lane, cmid);
      return;
    }
    const later = lane.owedCmid;
    lane.owedCmid = cmid;
    lane.owedOrdinal = ordinal;
    lane.behind?.delete(cmid);
    this.#waits(lane, later);
  }

  #waits(lane: Lane, cmid: string): void {
    if (cmid === '' || cmid === lane.owedCmid) return;
    lane.behind ??= new Set();
    if (lane.behind.size < BEHIND_MAX) lane.behind.add(cmid);
  }

  #drop(conv: ConversationId, lane: Lane): void {
    this.#first = Math.max(this.#first, lane.next);
    this.#lanes.delete(conv);
  }
}

/** Whether the send was refused behind the one that is owed, so short a time ago that its sender may not know. */
function isBehind({ behind, owedUntil }: Lane, cmid: string, now: number): boolean {
  return now < owedUntil - OWED_MS_MAX + STRICT_MS && behind?.has(cmid) === true;
}

function isIdle({ unanswered, heldUntil, owedUntil }: Lane, now: number): boolean {
  return unanswered === 0 && heldUntil <= now && owedUntil <= now;
}
