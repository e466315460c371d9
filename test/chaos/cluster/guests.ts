import type { Client, Message } from '../../../src/client/index.ts';
import { ClientError } from '../../../src/client/errors.ts';
import { type Person, person } from '../../scenarios/people.ts';
import { sleep } from '../../support/server-process.ts';
import type { Talk } from '../talks.ts';

const GUESTS = 4;
const CHANGE_EVERY_MS = 2_000;
const AGAIN_MS = 1_000;

/** One who comes and goes, and all that was pushed to it, by conversation. */
interface Guest extends Person {
  readonly got: Map<string, Set<number>>;
}

/**
 * Users who are made members of groups, and removed again, all the time: what they get must be of times when they were
 * members.
 */
export class Guests {
  removals = 0;
  #running = false;
  readonly #guests: readonly Guest[];
  readonly #groups: readonly Talk[];
  readonly #find: (text: string) => void;

  private constructor(guests: readonly Guest[], groups: readonly Talk[], find: (text: string) => void) {
    this.#guests = guests;
    this.#groups = groups;
    this.#find = find;
  }

  static async join(
    urls: readonly string[],
    groups: readonly Talk[],
    find: (text: string) => void,
  ): Promise<Guests> {
    const guests = Array.from({ length: GUESTS }, (_, i): Guest => {
      const got: Guest['got'] = new Map();
      const keep = ({ conv, seq }: Message): void => {
        let seqs = got.get(conv);
        if (seqs === undefined) got.set(conv, (seqs = new Set()));
        seqs.add(seq);
      };
      const one = person(urls, i, {
        user: `guest${i}`,
        device: 'd1',
        watch: (frame) => void (frame.t === 'message' && keep(frame)),
      });
      return { ...one, got };
    });
    await Promise.all(guests.map(({ client }) => client.ready()));
    return new Guests(guests, groups, find);
  }

  /** Each comes to one group after another, and is removed from each. */
  start(): void {
    this.#running = true;
    for (const [i, guest] of this.#guests.entries()) void this.#visit(guest, i);
  }

  stop(): void {
    this.#running = false;
  }

  close(): void {
    this.stop();
    for (const { client } of this.#guests) client.close();
  }

  /** How many events reached who was no member at their seq, by the log as it was read at the end. */
  strays(): number {
    let strays = 0;
    for (const talk of this.#groups) {
      for (const { client, got } of this.#guests) {
        const stays = memberships(talk.log, client.user);
        const isIn = (seq: number): boolean => stays.some(([from, to]) => seq >= from && seq < to);
        const wrong = [...(got.get(talk.conv) ?? [])].filter((seq) => !isIn(seq));
        if (wrong.length > 0)
          this.#find(`${client.user} got seqs ${wrong.join(', ')} of ${talk.conv} while no member`);
        strays += wrong.length;
      }
    }
    return strays;
  }

  async #visit(guest: Guest, first: number): Promise<void> {
    for (let i = first; this.#running; i++) {
      const talk = this.#groups[i % this.#groups.length];
      if (talk === undefined) return;
      const owner = talk.senders[0] as Client;
      await this.#insist(() => owner.changeMembers(talk.conv, { add: [guest.client.user] }));
      await sleep(CHANGE_EVERY_MS * (0.5 + Math.random()));
      const seq = await this.#insist(() => owner.changeMembers(talk.conv, { remove: [guest.client.user] }));
      if (seq !== undefined) await this.#look(guest, talk, seq);
      this.removals++;
      await sleep(CHANGE_EVERY_MS * (0.5 + Math.random()));
    }
  }

  /** Who was removed must not be able to read. */
  async #look({ client }: Guest, { conv }: Talk, seq: number): Promise<void> {
    try {
      const page = await client.history(conv, { limit: 5 });
      this.#find(`${client.user} read up to ${page.messages.at(-1)?.seq} of ${conv}, removed at ${seq}`);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (!error.retryable && error.code !== 'not_member' && error.code !== 'closed')
        this.#find(`${client.user} was told ${error.code} of ${conv}, removed at ${seq}: ${error.message}`);
    }
  }

  /** Asks until it is done: a change is by state, so asking twice changes nothing. */
  async #insist(ask: () => Promise<number>): Promise<number | undefined> {
    while (this.#running) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (error.code === 'closed') return undefined;
        if (!error.retryable) this.#find(`a change of members failed for good: ${error.message}`);
        await sleep(AGAIN_MS);
      }
    }
    return undefined;
  }
}

/** The seqs at which `user` was a member: each addition's up to, not including, the removal's. */
function memberships(log: readonly Message[], user: string): (readonly [from: number, to: number])[] {
  const stays: (readonly [number, number])[] = [];
  let since: number | undefined;
  for (const { kind, body, seq } of log) {
    if (kind !== 'sys.members') continue;
    const change = JSON.parse(String(body)) as { add?: readonly string[]; remove?: readonly string[] };
    if (change.add?.includes(user) === true) since ??= seq;
    if (change.remove?.includes(user) !== true || since === undefined) continue;
    stays.push([since, seq]);
    since = undefined;
  }
  if (since !== undefined) stays.push([since, Number.POSITIVE_INFINITY]);
  return stays;
}
