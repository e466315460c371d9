import assert from 'node:assert/strict';
import type { PeerBounds } from '../../../cluster/peer/bounds.ts';
import { newPeerMetrics } from '../../../cluster/peer/peer-metrics.ts';
import { RemoteOwners } from '../../../cluster/peer/remote-owners.ts';
import type { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { ERRORS } from '../../../src/core/errors.ts';
import type { EdgeLink } from '../../../src/core/ports.ts';
import type { Answer, ConversationRequest, Delivery, MessageDelivery } from '../../../src/core/requests.ts';
import { Lanes } from '../../../src/edge/lanes.ts';
import type { VirtualSystem } from '../../sim/virtual-system.ts';
import { cmid, send } from '../actors/requests.ts';
import { processId, SILENT } from './link-rig.ts';
import type { RoughBus, RoughNet } from './rough-bus.ts';

/** One connection, and the client behind it: sends in order, again in order after a refusal. */
export class ScriptedSession {
  readonly user: string;
  readonly number: number;
  readonly lanes = new Lanes(4_096);
  readonly device: string;
  /** Up to where it knows each conversation to reach. */
  readonly heads = new Map<string, number>();
  /** Last event that came as such. */
  readonly lastSeq = new Map<string, number>();
  gone = false;

  constructor(user: string, number: number) {
    this.user = user;
    this.number = number;
    this.device = `d${number}`;
  }

  knows(conv: string, head: number): void {
    this.heads.set(conv, Math.max(this.heads.get(conv) ?? 0, head));
  }
}

/** A message that a client wants sent, until it is acknowledged. */
interface Wanted {
  readonly session: ScriptedSession;
  readonly conv: string;
  readonly cmid: string;
  readonly text: string;
  attempts: number;
  /** Virtual ms before which it is not sent again; infinite while it is under way. */
  notBefore: number;
}

let lastCmid = 0;

/** An edge process: scripted sessions in the place of sockets, with what the real edge does about order. */
export class EdgeNode implements EdgeLink {
  readonly id: string;
  readonly bus: RoughBus;
  readonly metrics = newPeerMetrics();
  readonly owners: RemoteOwners;
  readonly answered = new Map<ConversationRequest, Answer>();
  readonly submitted: ConversationRequest[] = [];
  readonly deliveries: Delivery[] = [];
  readonly sessions: ScriptedSession[] = [];
  /** Seqs by client message id. */
  readonly acked = new Map<string, number>();
  readonly resynced: string[] = [];
  /** Owners whose leases are not renewed. */
  readonly silent = new Set<string>();
  readonly #system: VirtualSystem;
  readonly #store: MemoryStore;
  readonly #forwarded = new Map<string, number>();
  readonly #wanted: Wanted[] = [];
  #lastSession = 0;
  #lastId = 0;

  constructor(
    i: number,
    system: VirtualSystem,
    net: RoughNet,
    store: MemoryStore,
    ownerOf: (conv: string) => string | undefined,
    bounds: Partial<PeerBounds> = {},
  ) {
    this.id = processId(i);
    this.#system = system;
    this.#store = store;
    this.bus = net.client();
    this.owners = new RemoteOwners({
      isSilent: (owner) => this.silent.has(owner),
      id: this.id,
      bus: this.bus,
      system,
      logger: SILENT,
      metrics: this.metrics,
      edge: this,
      ownerOf,
      resync: (user) => void this.#resync(user),
      bounds,
    });
  }

  /** Registers, announces, and reads the inbox. */
  connect(user: string): ScriptedSession {
    const session = new ScriptedSession(user, ++this.#lastSession);
    this.sessions.push(session);
    this.owners.announce(user);
    void this.#readInbox(session);
    return session;
  }

  disconnect(session: ScriptedSession): void {
    session.gone = true;
    this.sessions.splice(this.sessions.indexOf(session), 1);
    for (let i = this.#wanted.length - 1; i >= 0; i--)
      if (this.#wanted[i]?.session === session) this.#wanted.splice(i, 1);
    if (!this.sessions.some((other) => other.user === session.user)) this.owners.depart(session.user);
  }

  /** Puts a request as it is to the owners. */
  ask<R extends ConversationRequest>(request: R): R {
    const asked = { ...request, edge: this.id };
    this.submitted.push(asked);
    this.owners.submit(asked);
    return asked;
  }

  /** Has a message sent until it is acknowledged. */
  say(session: ScriptedSession, conv: string): string {
    const id = cmid(++lastCmid);
    this.#wanted.push({ session, conv, cmid: id, text: `text of ${id}`, attempts: 0, notBefore: 0 });
    this.work();
    return id;
  }

  /** Whether every message was acknowledged. */
  get idle(): boolean {
    return this.#wanted.length === 0;
  }

  /** What the clients do of themselves: to be called as time passes. */
  work(): void {
    const now = this.#system.monotonic();
    const behind = new Set<string>();
    for (const wanted of this.#wanted) {
      const { session, conv } = wanted;
      const lane = `${session.number}/${conv}`;
      if (behind.has(lane) || wanted.notBefore === Number.POSITIVE_INFINITY) continue;
      if (
        wanted.notBefore > now ||
        session.lanes.refusal(conv, wanted.cmid, wanted.attempts > 0, now) !== undefined
      ) {
        behind.add(lane);
        continue;
      }
      wanted.notBefore = Number.POSITIVE_INFINITY;
      const place = session.lanes.enter(conv, wanted.cmid);
      const common = { edge: this.id, session: session.number, id: ++this.#lastId, conv };
      const request = send(session.user, wanted.cmid, {
        ...common,
        device: session.device,
        text: wanted.text,
        retry: wanted.attempts++ > 0,
        ...place,
      });
      this.submitted.push(request);
      this.owners.submit(request);
    }
  }

  answer(request: ConversationRequest, answer: Answer): void {
    assert.ok(!this.answered.has(request), `a ${request.t} is answered once`);
    this.answered.set(request, answer);
    const index = this.#wanted.findIndex((wanted) => request.t === 'send' && wanted.cmid === request.cmid);
    const wanted = this.#wanted[index];
    if (request.t !== 'send' || wanted === undefined) return;
    const now = this.#system.monotonic();
    const { session, conv } = wanted;
    const refusal = answer.t === 'error' ? answer : undefined;
    session.lanes.answered(
      conv,
      wanted.cmid,
      request.ordinal,
      refusal?.code,
      refusal?.retryAfterMs ?? 0,
      now,
    );
    if (refusal !== undefined) {
      assert.ok(ERRORS[refusal.code].retryable, `${refusal.code}: ${refusal.message}`);
      wanted.notBefore = now + (refusal.retryAfterMs ?? 0);
      return;
    }
    assert.equal(answer.t, 'ack');
    if (answer.t === 'ack') this.acked.set(request.cmid, answer.seq);
    this.#wanted.splice(index, 1);
    session.knows(conv, answer.t === 'ack' ? answer.seq : 0);
  }

  deliver(delivery: Delivery): void {
    this.deliveries.push(delivery);
    if (delivery.t === 'message') {
      this.#message(delivery);
      return;
    }
    if (delivery.t !== 'head' && delivery.t !== 'conversation') return;
    for (const session of this.sessions) {
      if (session.user !== delivery.user) continue;
      if (delivery.t === 'head') session.knows(delivery.conv, delivery.seq);
      else session.knows(delivery.entry.conv, delivery.entry.head);
    }
  }

  #message(delivery: MessageDelivery): void {
    const { conv, seq, audience, exceptEdge, exceptSession } = delivery;
    if (seq <= (this.#forwarded.get(conv) ?? 0)) return; // as the edge does with a repetition
    this.#forwarded.set(conv, seq);
    for (const session of this.sessions) {
      if (!audience.users.includes(session.user)) continue;
      if (exceptEdge === this.id && exceptSession === session.number) continue;
      const last = session.lastSeq.get(conv) ?? 0;
      assert.ok(seq > last, 'in order');
      session.lastSeq.set(conv, seq);
      session.knows(conv, seq);
    }
  }

  async #readInbox(session: ScriptedSession): Promise<void> {
    for (const { entry } of (await this.#store.inbox(session.user)).rows)
      session.knows(entry.conv, entry.head);
  }

  async #resync(user: string): Promise<void> {
    this.resynced.push(user);
    for (const session of this.sessions) if (session.user === user) await this.#readInbox(session);
  }
}
