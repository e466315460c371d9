import type { Reply, Request } from './keeper.ts';
import type { Message } from './tenure.ts';
import type { OwnersWorld } from './world.ts';

const RETRY_MS_MAX = 150;
const LATER_MS_MAX = 5_000;
const PATIENCE_MS = [300, 3_000] as const;

/**
 * Sends messages in groups to whomever it takes for the owner, and sends what of a group is not acknowledged again, in
 * order, until all is.
 */
export class Writer {
  readonly user: string;
  #isEnding = false;
  /** Whether the group under way began behind the end. */
  #isLast = false;
  #isDone = false;
  readonly #world: OwnersWorld;
  readonly #conv: string;
  readonly #number: number;
  #group: Message[] = [];
  #sent = 0;
  #owner: string | undefined;
  /** Of the group; an answer to an earlier one says nothing of where to go next. */
  #attempt = 0;
  /** The last attempt that was refused: it is known when the next one is. */
  #refused = 0;

  constructor(world: OwnersWorld, number: number, conv: string) {
    this.#world = world;
    this.#number = number;
    this.#conv = conv;
    this.user = `w${number}`;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get unacked(): number {
    return this.#group.length;
  }

  /** What it sends once all before is acknowledged is its last. */
  end(): void {
    this.#isEnding = true;
  }

  begin(): void {
    const { dice, plan, tally } = this.#world;
    this.#isLast = this.#isEnding;
    for (let left = 1 + dice.below(plan.groupMax); left > 0; left--) this.#group.push(this.#next());
    tally.sends += this.#group.length;
    this.#send();
  }

  #next(): Message {
    const nth = ++this.#sent;
    const cmid = `0190a000-0000-7000-8000-${hex(this.#number, 4)}${hex(nth, 8)}`;
    return { conv: this.#conv, user: this.user, cmid, body: `${this.user} says ${nth}`, nth, tries: 0 };
  }

  #send(): void {
    const { dice, system } = this.#world;
    const attempt = ++this.#attempt;
    const node = this.#world.nodeFor(this.#owner);
    this.#owner = undefined;
    for (const message of this.#group) message.tries++;
    const requests = this.#group.map((message): Request => {
      return { message, reply: (reply) => this.#heard(message, attempt, reply) };
    });
    if (node !== undefined) node.system.soon(() => node.submit(this.#conv, requests));
    const [min, max] = PATIENCE_MS;
    system.after(min + dice.below(max - min), () => {
      if (this.#refused !== attempt) this.#again(attempt);
    });
  }

  #heard(message: Message, attempt: number, reply: Reply): void {
    if (reply.t === 'ack') return this.#acked(message, reply.seq, reply.ts);
    if (attempt !== this.#attempt || attempt === this.#refused) return;
    this.#refused = attempt;
    this.#owner = reply.owner;
    const { dice, plan, system } = this.#world;
    if (reply.owner !== undefined) return void system.after(1, () => this.#again(attempt));
    const msMax = dice.happens(plan.laterShare) ? LATER_MS_MAX : RETRY_MS_MAX;
    system.after(1 + dice.below(msMax), () => this.#again(attempt));
  }

  #again(attempt: number): void {
    if (attempt === this.#attempt && this.#group.length > 0) this.#send();
  }

  #acked(message: Message, seq: number, ts: number): void {
    const at = this.#group.indexOf(message);
    if (at < 0) return;
    this.#group.splice(at, 1);
    this.#world.deviceAcked(message, seq, ts);
    if (this.#group.length > 0) return;
    const { dice, plan, system } = this.#world;
    this.#attempt++;
    if (this.#isLast) this.#isDone = true;
    else system.after(1 + dice.below(plan.thinkMsMax), () => this.begin());
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
