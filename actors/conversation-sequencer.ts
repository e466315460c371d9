import type {
  Activation,
  AppendOutcome,
  Completion,
  ConversationActor,
  ConversationMessage,
  CursorNews,
  Outbox,
} from '../src/core/actor.ts';
import type { Entry } from '../src/core/entry.ts';
import { type ConversationId, type Seq, type UserId, uuidV7Time } from '../src/core/ids.ts';
import {
  type ConversationRequest,
  type CreateRequest,
  type HistoryRequest,
  type MembersRequest,
  type ReceiptsRequest,
  type SendRequest,
  isChange,
  isFleeting,
} from '../src/core/requests.ts';
import type { ConversationRow, HandOver, ProjectionWrite } from '../src/core/rows.ts';
import { LIMITS } from '../src/protocol/limits.ts';
import { payloadHash } from '../src/protocol/message-frame.ts';
import { publishCommitted } from './committed.ts';
import { Cursors, receiptsPage } from './cursors.ts';
import { createAgain } from './creation.ts';
import { Draft, MEMBERS_ROW_BYTES, originHash, rowBytes } from './draft.ts';
import { HeldSessions, type Known, NOTHING_KNOWN } from './held-sessions.ts';
import { historyPage } from './history-page.ts';
import { setPrefs } from './prefs.ts';
import { changeMembers, memberList } from './member-change.ts';
import { projectionOf, settleProjection } from './projection.ts';
import {
  refuse,
  refuseHeld,
  refuseOtherOrigin,
  refuseOutOfTurn,
  refuseStranger,
  refuseTooMany,
  refuseUnknown,
  refuseUnread,
  UNAVAILABLE_RETRY_MS,
} from './refusals.ts';
import { SequencerState } from './sequencer-state.ts';
import { SessionOrdinals, type Turn } from './session-ordinals.ts';
import { Typing } from './typing.ts';

const SESSIONS_MAX = 512;
/** With the batch in flight, these bound the completions that an actor can be owed. */
const ASKS_MAX = 1_024;
/** What waits behind what is asked: as much as a mailbox holds. */
const HELD_REQUESTS_MAX = 1_024;
const HELD_BYTES_MAX = 1024 * 1024;

/** A request that waits inside for the batch in flight. */
interface Waiting {
  readonly request: ConversationRequest;
  readonly known: Known;
}

/**
 * Owns one conversation: decides each event's place, has it written, and speaks of it only once it is
 * committed. What arrives during a turn becomes one batch; one batch is in flight at a time.
 */
export class ConversationSequencer implements ConversationActor {
  readonly conv: ConversationId;
  sealed = false;
  readonly #fence: number;
  readonly #ordinals = new SessionOrdinals(SESSIONS_MAX);
  readonly #held = new HeldSessions(ASKS_MAX, HELD_REQUESTS_MAX, HELD_BYTES_MAX);
  readonly #backlog: Waiting[] = [];
  #state: SequencerState | undefined;
  /** A group that was begun and has no first event: only who began it, with the same request, may go on. */
  readonly #begun: ConversationRow | undefined;
  #draft: Draft | undefined;
  #inFlight: Draft | undefined;
  readonly #cursors = new Cursors();
  readonly #typing = new Typing();

  constructor(activation: Activation) {
    this.conv = activation.conv;
    this.#fence = activation.fence;
    const { conversation, head } = activation;
    if (head === 0 && conversation?.kind !== 'direct') this.#begun = conversation;
    else if (conversation !== undefined) this.#state = new SequencerState(activation, conversation);
  }

  get head(): Seq {
    return this.#state?.head ?? 0;
  }
  get exists(): boolean {
    return this.#state !== undefined;
  }
  get busy(): boolean {
    return this.#inFlight !== undefined || this.#draft?.closed === true || this.#backlog.length > 0;
  }
  get idle(): boolean {
    return !this.busy && this.#draft === undefined && this.#held.size === 0 && this.#cursors.fetching === 0;
  }
  get bytes(): number {
    return 1_000 + this.#held.bytes + (this.#state?.bytes ?? 0);
  }
  get users(): readonly UserId[] {
    return this.#state?.audience.users ?? [];
  }
  entryFor(user: UserId): Entry | undefined {
    return this.#state?.entryFor(user);
  }
  handOver(): HandOver {
    return this.#existing().handOver();
  }
  projection(users: ReadonlySet<UserId> | undefined): ProjectionWrite {
    return projectionOf(this.#existing(), users);
  }
  projected(write: ProjectionWrite): void {
    settleProjection(this.#existing(), write);
  }
  receiptsOf(users: ReadonlySet<UserId>, write: ProjectionWrite): CursorNews {
    return this.#cursors.receiptsOf(this.#existing(), users, write);
  }

  receive(message: ConversationMessage, now: number, out: Outbox): void {
    switch (message.t) {
      case 'appended':
      case 'lookedUp':
      case 'confirmed':
      case 'recalled':
      case 'fetched':
        this.#complete(message, now, out);
        return;
      default:
        if (!this.#process(message, NOTHING_KNOWN, now, out))
          this.#backlog.push({ request: message, known: NOTHING_KNOWN });
    }
  }

  endTurn(_now: number, out: Outbox): void {
    const draft = this.#draft;
    if (draft === undefined || this.#inFlight !== undefined) return;
    this.#draft = undefined;
    if (draft.isEmpty) return; // all that it was opened for was refused
    this.#inFlight = draft;
    out.append(draft.toBatch(this.conv, this.#fence));
  }

  #complete(message: Completion, now: number, out: Outbox): void {
    switch (message.t) {
      case 'appended':
        this.#appended(message.outcome, out);
        break;
      case 'lookedUp':
        this.#goOn(this.#held.lookedUp(message.request, message.outcome, this.head), out);
        break;
      case 'confirmed':
        this.#goOn(this.#held.confirmed(message.request, message.isAwaited), out);
        break;
      case 'recalled':
        this.#existing().recalled(message);
        break;
      case 'fetched':
        this.#cursors.fetched(this.#existing(), message.request, message.row, out);
        break;
    }
    this.#drainBacklog(now, out);
  }

  #drainBacklog(now: number, out: Outbox): void {
    while (this.#backlog.length > 0 && this.#inFlight === undefined && this.#draft?.closed !== true) {
      const { request, known } = this.#backlog[0] as Waiting;
      if (!this.#process(request, known, now, out)) return;
      this.#backlog.shift();
    }
  }

  /** Takes a request in or answers it; false: it must wait until the batch before it is committed. */
  #process(request: ConversationRequest, known: Known, now: number, out: Outbox): boolean {
    if (!isFleeting(request) && this.#held.holds(request)) return this.#hold(request, out);
    if (request.t === 'create') return this.#create(request, now, out);
    const state = this.#state;
    if (state === undefined) {
      if (this.#draft !== undefined || this.#inFlight !== undefined) return false;
      refuse(request, 'not_found', 'conv: there is no such conversation; `create` it first.', undefined, out);
      out.passivate();
      return true;
    }
    if (isChange(request) && known.isAwaited !== true) return this.#ask(request, out);
    switch (request.t) {
      case 'send':
        return this.#send(state, request, known, now, out);
      case 'history':
      case 'receipts':
        return this.#show(state, request, out);
      case 'members':
        return this.#members(state, request, now, out);
      case 'read':
        this.#cursors.read(state, request, out);
        return true;
      case 'delivered':
        this.#cursors.delivered(state, request, out);
        return true;
      case 'typing':
        this.#typing.receive(state, request, now, out);
        return true;
      case 'prefs':
        setPrefs(state, request, out);
        return true;
    }
  }

  #send(
    state: SequencerState,
    request: SendRequest,
    { hit, absentTo }: Known,
    now: number,
    out: Outbox,
  ): boolean {
    const { user, device, cmid, edge, session } = request;
    if (this.#inFlight !== undefined || !this.#draftFor(now).admits(rowBytes(request))) return false;
    const turn = this.#ordinals.take(edge, session, request.ordinal, request.base);
    const known = turn === 'early' ? undefined : (state.window.find(user, device, cmid) ?? hit);
    if (known !== undefined) {
      const isCopy = turn === 'past' && known.seq > this.head; // if the batch fails, it is not what is given back
      return (!isCopy && this.#repeat(request, known, out)) || this.#afterDraft(request, turn);
    }
    // Also a copy of what was refused: it must not be taken now, behind later ones.
    if (turn !== 'next') return refuseOutOfTurn(request, out);
    if (state.needsLookUp(request, absentTo, out)) {
      this.#giveBack(request); // one before it in its session may fail meanwhile: its turn is judged anew
      return this.#ask(request, out);
    }
    const sent = uuidV7Time(cmid);
    if (sent !== undefined && sent < now - LIMITS.dedupWindowMs) {
      refuse(request, 'too_old', 'cmid: its UUIDv7 time is over 30 days back; use a new id.', undefined, out);
      return true;
    }
    const draft = this.#draftFor(now);
    if (!draft.members.has(user)) {
      if (draft.version !== state.version) return this.#afterDraft(request, turn);
      this.#ordinals.refused(edge, session, request.ordinal);
      refuseStranger(request, out);
      return true;
    }
    if (this.#ordinals.isRefusalUnheard(edge, session, request.base)) {
      this.#giveBack(request);
      return refuseOutOfTurn(request, out);
    }
    const hash = payloadHash(request.kind, request.body, request.text);
    const entry = draft.addMessage(request, hash);
    state.window.addTentative(user, device, cmid, entry.seq, entry.ts, hash);
    return true;
  }

  /** The id is known: the original seq, with its batch if that is not committed; false: that must be awaited. */
  #repeat(request: SendRequest, known: { seq: Seq; ts: number; hash: number }, out: Outbox): boolean {
    const same = known.hash === payloadHash(request.kind, request.body, request.text);
    const committed = known.seq <= this.head;
    if (!committed && !same) return false;
    const message = 'cmid: it was used for another kind or body; use a new id.';
    if (!same) refuse(request, 'conflict', message, undefined, out);
    else if (committed) out.answer(request, { t: 'ack', seq: known.seq, ts: known.ts, duplicate: true });
    else this.#draft?.addRepeat(request, known.seq, known.ts);
    return true;
  }

  /** What would be answered rests on the draft, which may yet fail: it is decided once that is committed. */
  #afterDraft(request: SendRequest, turn: Turn): false {
    if (turn === 'next') this.#giveBack(request);
    if (this.#draft !== undefined) this.#draft.closed = true;
    return false;
  }

  #giveBack({ edge, session, ordinal }: SendRequest): void {
    this.#ordinals.giveBack(edge, session, ordinal);
  }

  /** Its session goes on when it is answered. */
  #ask(request: ConversationRequest, out: Outbox): true {
    if (!this.#held.ask(request, this.head, out)) refuseHeld(request, out);
    return true;
  }

  /** Behind what its session waits for; what must be asked of it too is asked meanwhile. */
  #hold(request: ConversationRequest, out: Outbox): true {
    const asks = request.t === 'send' ? this.#state?.isUnknown(request, out) === true : isChange(request);
    if (!(asks && this.#held.ask(request, this.head, out)) && !this.#held.add(request))
      refuseHeld(request, out);
    return true;
  }

  #goOn(requests: Iterable<[ConversationRequest, Known | undefined]>, out: Outbox): void {
    for (const [request, known] of requests) {
      if (known !== undefined) this.#backlog.push({ request, known });
      else refuseUnread(request, out);
    }
  }

  /** What members may read, each once its own writes are settled. */
  #show(
    state: SequencerState,
    request: HistoryRequest | ReceiptsRequest | MembersRequest,
    out: Outbox,
  ): boolean {
    if (this.#mustFollowDraft(request)) return false;
    if (!state.members.has(request.user)) refuseStranger(request, out);
    else if (request.t === 'history')
      out.answer(request, historyPage(request, state.head, state.tail, LIMITS.pageBytesMax));
    else out.answer(request, request.t === 'receipts' ? receiptsPage(state, request) : memberList(state));
    return true;
  }

  #members(state: SequencerState, request: MembersRequest, now: number, out: Outbox): boolean {
    const { change } = request;
    if (change === undefined) return this.#show(state, request, out);
    if (this.#inFlight !== undefined || !this.#draftFor(now).admits(MEMBERS_ROW_BYTES)) return false;
    return changeMembers(state, this.#draftFor(now), request, change, out);
  }

  #create(request: CreateRequest, now: number, out: Outbox): boolean {
    const state = this.#state;
    if (state === undefined) {
      if (this.#draft !== undefined || this.#inFlight !== undefined) return false;
      if (request.members.length > LIMITS.groupMembersMax) refuseTooMany(request, out);
      else if (this.#begun !== undefined && this.#begun.originHash !== originHash(request))
        refuseOtherOrigin(request, out);
      else this.#draftFor(now).addCreate(request);
      return true;
    }
    if (state.conversation.originHash === originHash(request)) createAgain(state, request, out);
    else refuseOtherOrigin(request, out);
    return true;
  }

  #appended(outcome: AppendOutcome, out: Outbox): void {
    const draft = this.#inFlight;
    if (draft === undefined) throw new Error(`${this.conv}: what was completed is not in flight`);
    if (outcome === 'fenced' || outcome === 'timedOutUnknown') {
      this.seal(out);
      return;
    }
    this.#inFlight = undefined;
    if (outcome === 'unavailable') {
      this.#takeBack(draft, out);
      return;
    }
    this.#state ??= this.#established(draft);
    publishCommitted(this.#state, draft, out);
  }

  #established(draft: Draft): SequencerState {
    if (draft.establish === undefined)
      throw new Error(`${this.conv}: rows were committed to no conversation`);
    const { conversation, members } = draft.establish;
    const activation = { conv: this.conv, fence: this.#fence, members, head: 0, tail: [], unprojected: [] };
    return new SequencerState({ ...activation, conversation }, conversation);
  }

  /** The batch was certainly not written: its seqs are free again, and its sessions are where they were. */
  #takeBack(draft: Draft, out: Outbox): void {
    this.#state?.window.rollBack();
    for (const { request } of draft.entries) {
      if (request.t === 'send') this.#giveBack(request);
      refuse(request, 'unavailable', 'The store cannot be written now.', UNAVAILABLE_RETRY_MS, out);
    }
    if (this.#state === undefined) out.passivate();
  }

  /** The batch in flight may or may not be written, or another term owns the conversation: this term is over. */
  seal(out: Outbox): void {
    if (this.sealed) return;
    this.sealed = true;
    for (const { request } of this.#inFlight?.entries ?? []) refuseUnknown(request, out);
    const inside = [...(this.#draft?.entries ?? []), ...this.#backlog].map(({ request }) => request);
    const left = [...inside, ...this.#held.releaseAll()];
    for (const request of left)
      refuse(request, 'unavailable', 'The conversation is changing hands.', UNAVAILABLE_RETRY_MS, out);
    this.#inFlight = undefined;
    this.#draft = undefined;
    this.#backlog.length = 0;
    out.passivate();
  }

  #draftFor(now: number): Draft {
    return (this.#draft ??= new Draft(this.#state, now));
  }

  /** A read comes after the same session's writes; it closes the batch that holds one, and waits for it. */
  #mustFollowDraft(request: ConversationRequest): boolean {
    if (this.#inFlight?.has(request.edge, request.session) === true) return true;
    if (this.#draft?.has(request.edge, request.session) !== true) return false;
    this.#draft.closed = true;
    return true;
  }

  #existing(): SequencerState {
    if (this.#state === undefined) throw new Error(`${this.conv}: there is no such conversation`);
    return this.#state;
  }
}
