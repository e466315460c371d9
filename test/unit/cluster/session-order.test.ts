import assert from 'node:assert/strict';
import test from 'node:test';
import { ERRORS } from '../../../src/core/errors.ts';
import type { SendRequest } from '../../../src/core/requests.ts';
import { Lanes } from '../../../src/edge/lanes.ts';
import { messageCmid } from '../../../src/protocol/message-frame.ts';
import { CONV, cmid, createGroup, send } from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

const SESSIONS = 5;
const SENDS_EACH = 40;

/** A client that pipelines: sends in order, and what is refused again, first things first. */
class Client {
  readonly lanes = new Lanes(8);
  readonly #session: number;
  /** Of each send: how often it was tried, and what became of the last try. */
  readonly #tries = new Array<number>(SENDS_EACH).fill(0);
  readonly #state = new Array<'waiting' | 'out' | 'acked'>(SENDS_EACH).fill('waiting');

  constructor(session: number) {
    this.#session = session;
  }

  get done(): boolean {
    return this.#state.every((each) => each === 'acked');
  }

  id(index: number): string {
    return cmid(this.#session * 1_000 + index);
  }

  /** The next send, if the edge lets one go now. */
  next(now: number): { readonly index: number; readonly request: SendRequest } | undefined {
    const index = this.#state.indexOf('waiting');
    const retry = (this.#tries[index] as number) > 0;
    if (index < 0 || this.lanes.refusal(CONV, this.id(index), retry, now) !== undefined) return undefined;
    const { ordinal, base } = this.lanes.enter(CONV, this.id(index));
    this.#state[index] = 'out';
    (this.#tries[index] as number)++;
    const request = send('ann', this.id(index), {
      session: this.#session,
      device: `d${this.#session}`,
      ordinal,
      base,
      retry,
    });
    return { index, request };
  }

  answered(rig: HostRig, index: number, request: SendRequest): void {
    const answer = rig.answers.get(request);
    assert.ok(answer !== undefined);
    const refused = answer.t === 'error';
    if (refused) assert.ok(ERRORS[answer.code].retryable, answer.code);
    const wait = refused ? (answer.retryAfterMs ?? 0) : 0;
    this.lanes.answered(
      CONV,
      request.cmid,
      request.ordinal,
      refused ? answer.code : undefined,
      wait,
      rig.system.monotonic(),
    );
    this.#state[index] = refused ? 'waiting' : 'acked';
  }
}

/** Runs one schedule; returns the log's client message ids in order. */
async function run(seed: number): Promise<{ readonly ids: string[]; readonly clients: Client[] }> {
  const rig = new HostRig(undefined, undefined, seed);
  await rig.ask(createGroup(['ann', 'bob']));
  for (let i = 0; i < 1_050; i++) {
    rig.submit(send('bob', cmid(1_000_000 + i), { session: 900 + i }));
    if (i % 500 === 499) await rig.system.settle();
  }
  await rig.system.settle();
  const clients = Array.from({ length: SESSIONS }, (_, i) => new Client(i + 1));
  const open: { client: Client; index: number; request: SendRequest }[] = [];
  const chance = (): number => rig.system.random(1)[0] as number;
  for (let step = 0; step < 20_000 && !clients.every((each) => each.done); step++) {
    const client = clients[chance() % SESSIONS] as Client;
    const sent = client.next(rig.system.monotonic());
    if (sent !== undefined) {
      rig.submit(sent.request);
      open.push({ client, ...sent });
    }
    const dice = chance();
    if (dice < 6)
      rig.store.faults.push(
        (['unavailable', 'unknownWritten', 'unknownLost'] as const)[dice % 3] as 'unavailable',
      );
    else if (dice < 16) rig.store.hold('lookUp');
    else if (dice < 40) rig.store.release('lookUp');
    else if (dice < 90) await rig.system.settle();
    else if (dice < 100) await rig.system.advance(300);
    else if (dice === 100) await rig.system.advance(7 * 60_000);
    for (let i = open.length - 1; i >= 0; i--) {
      const each = open[i] as (typeof open)[number];
      if (!rig.answers.has(each.request)) continue;
      each.client.answered(rig, each.index, each.request);
      open.splice(i, 1);
    }
  }
  const rows = await rig.store.read(CONV, 1, await rig.store.head(CONV), false, {
    rowsMax: 1e6,
    bytesMax: 1e9,
  });
  return { ids: rows.map((row) => messageCmid(row.env)), clients };
}

test('S4.4, S4.5, S5.1: over refusals, lost terms, slow look-ups and passivation, each session’s sends end in order, each once', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const { ids, clients } = await run(seed);
    for (const [i, client] of clients.entries()) {
      assert.ok(client.done, `seed ${seed}: session ${i + 1} came to its end`);
      const expected = Array.from({ length: SENDS_EACH }, (_, index) => client.id(index));
      const own = new Set(expected);
      assert.deepEqual(
        ids.filter((id) => own.has(id)),
        expected,
        `seed ${seed}, session ${i + 1}`,
      );
    }
  }
});
