import assert from 'node:assert/strict';
import { ConversationSequencer } from '../../actors/conversation-sequencer.ts';
import type { MembersEvent } from '../../actors/membership.ts';
import { ActorHost } from '../../cluster/actor-host.ts';
import { type AppendFault, MemoryStore } from '../../src/adapters/memory/store.ts';
import type { EdgeLink } from '../../src/core/ports.ts';
import type {
  Answer,
  ConversationRequest,
  Delivery,
  MemberChange,
  SendRequest,
} from '../../src/core/requests.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import * as frame from '../../src/protocol/message-frame.ts';
import { VirtualSystem } from '../sim/virtual-system.ts';

export const CONV = '0190a000-0000-7000-8000-000000000001';
export const USERS = ['ann', 'bob', 'cat', 'dan'] as const;
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

interface Asked {
  readonly request: ConversationRequest;
  answer: Answer | undefined;
  /** The process ended before the answer came. */
  lost: boolean;
}

/** The real host and actor over the memory store, driven step by step, with all that it says recorded. */
export class Rig implements EdgeLink {
  readonly system = new VirtualSystem();
  readonly store: MemoryStore;
  readonly asked: Asked[] = [];
  readonly deliveries: Delivery[] = [];
  readonly faults: AppendFault[] = [];
  readonly #gatherMsMax: number | undefined;
  #host: ActorHost;
  #byId = new Map<number, Asked>();
  #nextId = 1;
  /** Which process runs: one more after each crash. */
  #life = 0;

  /** With `gatherMsMax` 0 requests wait for nothing but turns. */
  constructor(gatherMsMax?: number) {
    this.#gatherMsMax = gatherMsMax;
    this.store = new MemoryStore(this.system, { fault: () => this.faults.shift() });
    this.#host = this.#start();
  }

  answer(request: ConversationRequest, answer: Answer): void {
    const asked = this.#byId.get(request.id);
    assert.ok(asked !== undefined, `an answer to no request: ${JSON.stringify(answer)}`);
    assert.equal(asked.answer, undefined, `request ${request.id} was answered twice`);
    asked.answer = answer;
  }

  deliver(delivery: Delivery): void {
    this.deliveries.push(delivery);
  }

  base(user: string, session: number): Omit<ConversationRequest, 't'> & { id: number } {
    const id = this.#nextId++;
    return { edge: 'e', session, id, conv: CONV, user, device: 'd', bytes: 100 } as never;
  }

  submit(request: ConversationRequest): Asked {
    const asked: Asked = { request, answer: undefined, lost: false };
    this.asked.push(asked);
    if (request.id > 0) this.#byId.set(request.id, asked);
    this.#host.submit(request);
    return asked;
  }

  send(user: string, cmid: string, body: string, retry: boolean, mentions?: readonly string[]): Asked {
    const bytes = new TextEncoder().encode(body);
    // Each send is a session of its own here, so that a refusal holds back no other.
    const base = this.base(user, 1_000 + this.#nextId);
    return this.submit({
      ...base,
      t: 'send',
      cmid,
      kind: 'text',
      body: bytes,
      text: true,
      mentions,
      retry,
      ordinal: 1,
      base: 1,
      after: 0,
    } as SendRequest);
  }

  create(members: readonly string[]): Asked {
    const first = members[0] as string;
    return this.submit({
      ...this.base(first, 1),
      t: 'create',
      kind: 'group',
      members,
      title: 'team',
    } as never);
  }

  change(user: string, change: MemberChange | undefined): Asked {
    return this.submit({ ...this.base(user, 2), t: 'members', change } as never);
  }

  history(user: string): Asked {
    return this.submit({
      ...this.base(user, 3),
      t: 'history',
      after: undefined,
      before: undefined,
      limit: 200,
    } as never);
  }

  cursor(t: 'read' | 'delivered', user: string, seq: number, isHidden = false): void {
    this.submit({ ...this.base(user, 4), t, seq, isHidden } as never);
  }

  prefs(user: string, set: { mute?: number; pin?: boolean }): void {
    const { mute, pin } = set;
    this.submit({ ...this.base(user, 5), t: 'prefs', mute, pin, archive: undefined } as never);
  }

  announce(user: string): Delivery[] {
    const from = this.deliveries.length;
    this.#host.announce(user);
    return this.deliveries.slice(from);
  }

  /** The process ends here and now; another starts over what the store holds. */
  async crash(): Promise<void> {
    this.system.crash();
    for (const asked of this.asked) asked.lost ||= asked.answer === undefined;
    this.store.restart();
    this.#host = this.#start();
    this.#host.dirtyWalk.start(await this.store.dirty());
    await this.system.settle();
  }

  async log(): Promise<StoredRow[]> {
    const head = await this.store.head(CONV);
    return head === 0 ? [] : this.store.read(CONV, 1, head, false, { rowsMax: 1e6, bytesMax: 1e9 });
  }

  /** The store as a process reaches it: what one that has crashed would still do is not done. */
  #storeOf(life: number): MemoryStore {
    return new Proxy(this.store, {
      get: (store, name) => {
        const member: unknown = Reflect.get(store, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown =>
          life === this.#life ? Reflect.apply(member, store, args) : new Promise(() => undefined);
      },
    });
  }

  #start(): ActorHost {
    const store = this.#storeOf(++this.#life);
    const ports = { ownership: store, messages: store, projections: store };
    const metrics = {
      counts: { activations: 0, appendRows: 0, appendFailures: 0, overloaded: 0 },
      gauges: { actors: 0 },
      appendBatchRows: { observe: () => {} },
      appendSeconds: { observe: () => {} },
    };
    const makeActor = (
      activation: ConstructorParameters<typeof ConversationSequencer>[0],
    ): ConversationSequencer => new ConversationSequencer(activation);
    return new ActorHost({
      ports,
      edge: this,
      system: this.system,
      logger: SILENT,
      metrics,
      makeActor,
      gatherMsMax: this.#gatherMsMax,
    });
  }
}

/** What the log says, read by the simplest code that can: who is a member after each seq, who sent what. */
export class Reference {
  /** members[seq]: the members from the event at seq on. */
  readonly members: Set<string>[] = [new Set()];
  readonly roles = new Map<string, string>();
  readonly seqOf = new Map<string, number>();
  readonly joined = new Map<string, number>();
  /** The last message of each. */
  readonly sent = new Map<string, number>();
  /** Where each was mentioned, as a member. */
  readonly mentions = new Map<string, number[]>();
  /** The number of messages up to each seq. */
  readonly messagesTo: number[] = [0];
  messages = 0;

  constructor(log: readonly StoredRow[]) {
    log.forEach((row, index) => {
      assert.equal(row.seq, index + 1, 'seqs are dense');
      this.#apply(row);
    });
  }

  get now(): Set<string> {
    return this.members.at(-1) as Set<string>;
  }

  #apply(row: StoredRow): void {
    const { env, seq } = row;
    assert.equal(frame.readU64(env, frame.SEQ_AT), seq, 'a frame carries its own seq');
    const before = this.now;
    const from = frame.messageFrom(env);
    const kind = frame.messageKind(env);
    const body: unknown = kind.startsWith('sys.') ? JSON.parse(frame.messageText(env)) : undefined;
    let after = before;
    if (kind === 'sys.created') {
      const { members } = body as { members: [string, string][] };
      after = new Set(members.map(([user]) => user));
      for (const [user, role] of members) this.#join(user, role, seq);
    } else if (kind === 'sys.members') after = this.#change(before, body as MembersEvent, seq);
    else {
      assert.ok(before.has(from), `seq ${seq} was sent by ${from}, who was no member`);
      const key = `${from} ${frame.messageCmid(env)}`;
      assert.ok(!this.seqOf.has(key), `seq ${seq} repeats ${key}`);
      this.seqOf.set(key, seq);
      this.sent.set(from, seq);
      this.messages++;
      for (const user of frame.messageMentions(env)) this.#mention(user, from, before, seq);
    }
    this.messagesTo.push(this.messages);
    assert.equal(frame.readU64(env, frame.N_AT), this.messages, `n at seq ${seq}`);
    this.members.push(after);
  }

  #mention(user: string, from: string, members: ReadonlySet<string>, seq: number): void {
    assert.ok(user !== from && members.has(user), `seq ${seq} mentions ${user}`);
    const seqs = this.mentions.get(user) ?? [];
    assert.ok(!seqs.includes(seq), `seq ${seq} mentions ${user} twice`);
    this.mentions.set(user, [...seqs, seq]);
  }

  #join(user: string, role: string, seq: number): void {
    this.roles.set(user, role);
    this.joined.set(user, seq);
  }

  #change(before: Set<string>, event: MembersEvent, seq: number): Set<string> {
    const after = new Set(before);
    for (const user of event.add ?? []) {
      assert.ok(!before.has(user), 'a member is not added again');
      after.add(user);
      this.#join(user, 'member', seq);
    }
    for (const user of [...(event.remove ?? []), ...(event.leave === undefined ? [] : [event.leave])]) {
      assert.ok(after.delete(user), 'who is removed was a member');
    }
    for (const [user, role] of event.role ?? []) this.roles.set(user, role);
    const owners = [...after].filter((user) => this.roles.get(user) === 'owner');
    assert.ok(after.size === 0 || owners.length > 0, 'an owner remains');
    return after;
  }
}
