/** Drives one actor turn by turn, in the host's place, and records all that it says. */
import assert from 'node:assert/strict';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import type { Activation, AppendOutcome, LookUpOutcome, Outbox } from '../../../src/core/actor.ts';
import type {
  Answer,
  ConversationRequest,
  Delivery,
  EntryDelivery,
  MessageDelivery,
  PrefsRequest,
  ReadRequest,
  SendRequest,
} from '../../../src/core/requests.ts';
import type { AppendBatch, StoredRow } from '../../../src/core/rows.ts';
import { CONV, createDirect, createGroup } from './requests.ts';

export const NOW = 1_700_000_000_000;

/** An actor's start without a conversation. */
export function nothing(fence = 1): Activation {
  return { conv: CONV, fence, conversation: undefined, members: [], head: 0, tail: [], unprojected: [] };
}

export class Stage implements Outbox {
  readonly actor: ConversationSequencer;
  now = NOW;
  readonly answers = new Map<ConversationRequest, Answer>();
  readonly deliveries: Delivery[] = [];
  readonly projected: (string | undefined)[] = [];
  readonly lookUps: SendRequest[] = [];
  /** Whose cursor moved. */
  readonly cursors: string[] = [];
  /** To be answered once they are written. */
  readonly settling: PrefsRequest[] = [];
  /** Whether edges say at once that they wait for a change; else they are listed in `asked`. */
  edgesAnswer = true;
  readonly asked: ConversationRequest[] = [];
  readonly fetches: { readonly request: ReadRequest; readonly seq: number }[] = [];
  readonly batches: AppendBatch[] = [];
  readonly log: StoredRow[] = [];
  /** Of rows, from … to. */
  readonly recalls: (readonly [from: number, to: number])[] = [];
  passivations = 0;
  #inFlight: AppendBatch | undefined;

  constructor(activation: Activation = nothing()) {
    this.actor = new ConversationSequencer(activation);
    this.log.push(...(activation.tail as StoredRow[])); // as read from a log
  }

  /** A group of `users`, the first of whom owns it; seq 1 is its creation. */
  static group(...users: string[]): Stage {
    const stage = new Stage();
    stage.turn(createGroup(users));
    stage.commit();
    return stage.quiet();
  }

  static direct(one: string, other: string): Stage {
    const stage = new Stage();
    stage.turn(createDirect([one, other]));
    stage.commit();
    return stage.quiet();
  }

  /** Forgets what was said so far. */
  quiet(): this {
    this.deliveries.length = 0;
    this.projected.length = 0;
    return this;
  }

  // --- what the host does ---

  /** What edges say of all that they were asked; the turn goes on. */
  confirmAll(isAwaited = true): void {
    for (const request of this.asked.splice(0))
      this.actor.receive({ t: 'confirmed', request, isAwaited }, this.now, this);
  }

  /** One turn over these requests; all must be taken, as the host offers none to a busy actor. */
  turn(...requests: ConversationRequest[]): void {
    for (const request of requests) {
      assert.ok(!this.actor.busy, 'a busy actor is given no request');
      this.actor.receive(request, this.now, this);
      if (this.edgesAnswer) this.confirmAll();
    }
    this.actor.endTurn(this.now, this);
  }

  /** The batch in flight comes back. */
  commit(outcome: AppendOutcome = 'committed'): void {
    const batch = this.#inFlight;
    assert.ok(batch !== undefined, 'a batch is in flight');
    this.#inFlight = undefined;
    if (outcome === 'committed') this.#write(batch);
    this.actor.receive({ t: 'appended', batch, outcome }, this.now, this);
    if (!this.actor.sealed) this.actor.endTurn(this.now, this);
  }

  /** Turn and commit, as often as it takes. */
  settle(...requests: ConversationRequest[]): void {
    this.turn(...requests);
    while (this.#inFlight !== undefined) this.commit();
  }

  lookedUp(outcome: LookUpOutcome, request: SendRequest = this.lookUps.shift() as SendRequest): void {
    this.actor.receive({ t: 'lookedUp', request, outcome }, this.now, this);
    if (!this.actor.sealed) this.actor.endTurn(this.now, this);
  }

  /** The row that was asked for first comes from the log. */
  fetched(): void {
    const { request, seq } = this.fetches.shift() as Stage['fetches'][number];
    this.actor.receive({ t: 'fetched', request, row: this.log[seq - 1] }, this.now, this);
    this.actor.endTurn(this.now, this);
  }

  /** The rows that were asked for first come from the log, or cannot be read. */
  recalled(isRead = true): void {
    const [from, to] = this.recalls.shift() as Stage['recalls'][number];
    const rows = isRead ? this.log.slice(from - 1, to) : undefined;
    this.actor.receive({ t: 'recalled', from, to, rows }, this.now, this);
    this.actor.endTurn(this.now, this);
  }

  /** What a later actor of the conversation starts from, with small tables that were written at `version`. */
  activation(from: Stage['rows']): Activation {
    const head = this.log.length;
    const tail = this.log.slice(-1_024);
    const unprojected = this.log.filter((row) => row.m === row.seq && row.seq > from.conversation.version);
    return { conv: CONV, fence: 1, head, tail, unprojected, ...from };
  }

  /** The small tables as `establish` wrote them. */
  get rows(): Pick<Required<Activation>, 'members'> & {
    conversation: NonNullable<Activation['conversation']>;
  } {
    const establish = this.batches[0]?.establish;
    assert.ok(establish !== undefined);
    return establish;
  }

  #write(batch: AppendBatch): void {
    assert.equal(batch.c, this.log.length, 'a batch goes on from the committed head');
    for (const { seq, m, env } of batch.rows) {
      assert.equal(seq, this.log.length + 1, 'seqs are dense');
      this.log.push({ seq, m, env, fence: batch.fence, c: batch.c, x: batch.c });
    }
  }

  // --- the outbox ---

  recall(from: number, to: number): void {
    this.recalls.push([from, to]);
  }
  append(batch: AppendBatch): void {
    assert.equal(this.#inFlight, undefined, 'one batch is in flight at a time');
    this.#inFlight = batch;
    this.batches.push(batch);
  }
  answer(request: ConversationRequest, answer: Answer): void {
    assert.ok(!this.answers.has(request), `a ${request.t} is answered once`);
    this.answers.set(request, answer);
  }
  publish(delivery: Delivery): void {
    this.deliveries.push(delivery);
  }
  project(user: string | undefined): void {
    this.projected.push(user);
  }
  receipt(user: string): void {
    this.cursors.push(user);
  }
  whenWritten(request: PrefsRequest): void {
    this.settling.push(request);
  }
  lookUp(request: SendRequest): void {
    this.lookUps.push(request);
  }
  confirm(request: ConversationRequest): void {
    this.asked.push(request);
  }
  fetch(request: ReadRequest, seq: number): void {
    this.fetches.push({ request, seq });
  }
  passivate(): void {
    this.passivations++;
  }

  // --- what was said, in short ---

  /** `ack 3`, `ack 3 again`, `ok 2`, `created`, `page 1-4`, `grant 1-4`, an error's code, or `nothing`. */
  said(request: ConversationRequest): string {
    return inShort(this.answers.get(request));
  }

  get messages(): MessageDelivery[] {
    return this.deliveries.filter((each) => each.t === 'message');
  }
  get entries(): EntryDelivery[] {
    return this.deliveries.filter((each) => each.t === 'conversation');
  }

  /** `3>ann,bob` for a message, `bob:head 2` or `bob:removed 3` for an entry, in order. */
  get spoken(): string[] {
    return this.deliveries.map((each) => {
      if (each.t === 'message') return `${each.seq}>${each.audience.users.join()}`;
      if (each.t === 'head') return `${each.user}:seq ${each.seq}`;
      if (each.t === 'receipt') return `receipt ${each.items.join(' ')}`;
      if (each.t === 'cursor') return `cursor ${each.item.join()}`;
      if (each.t === 'settings' || each.t === 'state') return each.t; // no actor's
      if (each.t === 'typing') return `typing ${each.user} ${each.on}`;
      const { removed, head } = each.entry;
      return `${each.user}:${removed === undefined ? `head ${head}` : `removed ${removed}`}`;
    });
  }
}

export function inShort(answer: Answer | undefined): string {
  switch (answer?.t) {
    case undefined:
      return 'nothing';
    case 'ack':
      return `ack ${answer.seq}${answer.duplicate ? ' again' : ''}`;
    case 'created':
      return 'created';
    case 'ok':
      return `ok ${answer.seq}`;
    case 'page':
      return `page of ${answer.frames.length}`;
    case 'grant':
      return `grant ${answer.from}-${answer.to}`;
    case 'receipts':
      return `receipts ${answer.items.join(' ')}, read ${answer.read}, before ${answer.before}`;
    case 'error':
      return answer.code;
  }
}
