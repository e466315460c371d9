import { type Activated, activate, type ActivationPorts } from '../../../cluster/activation.ts';
import { Cell } from '../../../cluster/cell.ts';
import type { CommittedLog } from '../../../cluster/committed-log.ts';
import type { Activation, AppendOutcome, ConversationActor } from '../../../src/core/actor.ts';
import { lastOfBucket } from '../../../src/core/buckets.ts';
import type { NodeId, UserId } from '../../../src/core/ids.ts';
import { StoreUnavailable, type System } from '../../../src/core/ports.ts';
import type { AppendBatch } from '../../../src/core/rows.ts';
import { type Message, type Place, Tenure } from './tenure.ts';

/** How a send ended: not, so far as the node knows; it may know who has the conversation. */
export type Reply =
  | ({ readonly t: 'ack' } & Place)
  | { readonly t: 'refused'; readonly owner: NodeId | undefined };

export interface Request {
  readonly message: Message;
  readonly reply: (reply: Reply) => void;
}

export interface KeeperOptions {
  readonly conv: string;
  readonly log: CommittedLog;
  readonly ports: ActivationPorts;
  readonly system: System;
  readonly users: readonly UserId[];
  readonly batchMax: number;
  /** It may be served now. */
  readonly opened: (activation: Activation, recovered: boolean) => void;
  readonly committed: (message: Message, place: Place) => void;
  readonly failed: (error: unknown) => void;
}

const REFUSED: Reply = { t: 'refused', owner: undefined };

/** A conversation's place in a node: what its host and its actor do to the log, one batch after the other. */
export class Keeper {
  readonly cell: Cell;
  tenure: Tenure | undefined;
  readonly #o: KeeperOptions;
  #waiting: Request[] = [];
  #isOpening = false;
  #inHand: readonly Request[] = [];

  constructor(options: KeeperOptions) {
    this.#o = options;
    this.cell = new Cell(options.conv, 0, { appendedFor: () => undefined });
  }

  submit(requests: readonly Request[]): void {
    this.#waiting.push(...requests);
    this.goOn();
  }

  /** Opens the conversation, or serves what waits. */
  goOn(): void {
    if (this.tenure === undefined) void this.#open();
    else void this.#serve(this.tenure);
  }

  /** Whether nothing of it is under way. */
  get atRest(): boolean {
    return !this.#isOpening && this.#waiting.length === 0 && this.cell.settled && !this.cell.moving;
  }

  /** It is not served any more under this term; those who wait for a batch of it are told that they know nothing. */
  seal(): void {
    if (this.tenure === undefined) return;
    this.tenure.sealed = true;
    refuse(this.#inHand);
    this.#inHand = [];
  }

  /** The term is over: the next message claims the conversation anew. */
  end(): void {
    this.seal();
    this.tenure = undefined;
    this.cell.actor = undefined;
    this.#o.log.letGo(this.#o.conv, false);
    this.refuseAll();
  }

  refuseAll(owner?: NodeId): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    refuse(waiting, owner);
  }

  async #open(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    const activated = await this.#activate();
    this.#isOpening = false;
    if (activated.t !== 'activation')
      return this.refuseAll(activated.t === 'notOwner' ? activated.owner : undefined);
    const { activation, recovered } = activated;
    this.tenure = new Tenure(activation, this.#o.users);
    this.cell.actor = this.tenure as unknown as ConversationActor;
    this.#o.opened(activation, recovered);
    await this.#serve(this.tenure);
  }

  async #activate(): Promise<Activated> {
    try {
      return await activate(this.#o.conv, this.#o.ports);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#o.failed(error);
      return { t: 'unavailable', retryAfterMs: 0, again: false };
    }
  }

  async #serve(tenure: Tenure): Promise<void> {
    if (!tenure.idle) return;
    tenure.idle = false;
    while (this.#waiting.length > 0 && !tenure.sealed && !this.cell.moving) await this.#turn(tenure);
    tenure.idle = true;
  }

  async #turn(tenure: Tenure): Promise<void> {
    const inBucket = lastOfBucket(tenure.head + 1) - tenure.head;
    const inHand = this.#waiting.splice(0, Math.min(this.#o.batchMax, inBucket));
    this.#inHand = inHand;
    const fresh = await this.#fresh(tenure, inHand);
    if (tenure.sealed) return;
    if (fresh === undefined) return this.#refuseInOrder(inHand);
    if (fresh.length === 0) return;
    const messages = fresh.map(({ message }) => message);
    const batch = tenure.batch(messages, this.#o.system.now());
    const outcome = await this.#append(batch);
    if (tenure.sealed) return; // they have been told something else
    if (outcome === 'unavailable') return this.#refuseInOrder(fresh);
    if (outcome !== 'committed') return this.end();
    tenure.committed(batch);
    this.#inHand = [];
    for (const { message, reply } of fresh) {
      const place = tenure.placeOf(message.cmid) as Place;
      this.#o.committed(message, place);
      reply({ t: 'ack', ...place });
    }
  }

  /** Those that are not in the log; undefined, where that cannot be told. Those that are, are acknowledged. */
  async #fresh(tenure: Tenure, inHand: readonly Request[]): Promise<Request[] | undefined> {
    const fresh: Request[] = [];
    const again: Request[] = [];
    for (const request of inHand) {
      const { conv, user, cmid, tries } = request.message;
      const isTwice = fresh.some(({ message }) => message === request.message);
      if (isTwice) {
        again.push(request);
        continue;
      }
      let place = tenure.placeOf(cmid);
      if (place === undefined && tries > 1) {
        const found = await this.#o.log.lookUp(conv, user, user, cmid);
        if (tenure.sealed || found.t === 'unavailable') return undefined;
        if (found.t === 'found') place = found.hit;
      }
      if (place === undefined) fresh.push(request);
      else {
        if (!tenure.sealed) this.#o.committed(request.message, place);
        request.reply({ t: 'ack', seq: place.seq, ts: place.ts });
      }
    }
    this.#waiting.unshift(...again);
    return fresh;
  }

  #append(batch: AppendBatch): Promise<AppendOutcome> {
    return new Promise((resolve) =>
      this.#o.log.append(batch, { appended: (_batch, outcome) => resolve(outcome) }),
    );
  }

  /** What waits behind them was meant to come after them. */
  #refuseInOrder(requests: readonly Request[]): void {
    this.#inHand = [];
    refuse(requests);
    this.refuseAll();
  }
}

function refuse(requests: readonly Request[], owner?: NodeId): void {
  for (const { reply } of requests) reply(owner === undefined ? REFUSED : { t: 'refused', owner });
}
