/** Appends rows as a sequencer does: through the `MessageStore` port of a cluster, fenced, committed and indexed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppendOutcome } from '../../src/core/actor.ts';
import type { AppendListener } from '../../src/core/ports.ts';
import type { ConversationId } from '../../src/core/ids.ts';
import type { AppendBatch, AppendRow, StoredRow } from '../../src/core/rows.ts';
import { messageCmid, messageDevice, messageFrom } from '../../src/protocol/message-frame.ts';
import { carryOutPlan, tellProgress } from '../channel.ts';
import type { FromGenerator, Plan, StoreUse } from '../plan.ts';
import { addSamples, Rise, type Samples } from '../scrape.ts';
import { openOwner, type Owner } from './owner.ts';
import { type Appender, type Outcome, pump } from './pump.ts';
import { type Rows, USERS } from './rows.ts';

const FENCE = 1;
const INDEXED_MS_MAX = 20_000;
const LOOK_MS = 200;
/** Ids that are looked up in the end. */
const SAMPLED_OF = 1_009;
const SAMPLED_LAST = 8;

class OwnerAppender implements Appender {
  readonly #owner: Owner;
  /** The slot that each conversation is marked in: as the actor host remembers it. */
  readonly #marked = new Map<Rows, number>();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  async begin(lines: readonly Rows[]): Promise<void> {
    for (const line of lines) await this.#create(line);
  }

  async #create({ conv }: Rows): Promise<void> {
    const { log, system } = this.#owner;
    const claim = await log.claim(conv);
    if (claim.t !== 'none') throw new Error(`claiming a new conversation was answered by ${claim.t}`);
    const members = USERS.map((user) => ({
      user,
      role: 'member' as const,
      join: 0,
      left: 0,
      read: 0,
      readN: 0,
      delivered: 0,
    }));
    const conversation = {
      conv,
      kind: 'direct' as const,
      title: undefined,
      created: system.now(),
      creator: USERS[0],
      originHash: 1,
      version: 0,
    };
    const establish = { conversation, members };
    const outcome = await new Promise<AppendOutcome>((resolve) => {
      const listener = { appended: (_batch: AppendBatch, result: AppendOutcome) => resolve(result) };
      log.append({ conv, fence: FENCE, c: 0, rows: [], establish, dirtySlot: 0 }, listener);
    });
    if (outcome !== 'committed') throw new Error(`creating a conversation ended with ${outcome}`);
  }

  append(line: Rows, rows: readonly AppendRow[], done: (outcome: Outcome) => void): void {
    const { log, slots } = this.#owner;
    const slot = slots.current;
    const isMarked = this.#marked.get(line) === slot;
    if (!isMarked) this.#marked.set(line, slot);
    const batch: AppendBatch = {
      conv: line.conv,
      fence: FENCE,
      c: (rows[0] as AppendRow).seq - 1,
      rows,
      establish: undefined,
      dirtySlot: isMarked ? 0 : slot,
    };
    const listener: AppendListener = {
      appended: (_batch, outcome) => done(told(outcome)),
    };
    log.append(batch, listener);
  }

  /** All rows are there and dense, and of the ids one in so many, and the last ones, are indexed. */
  async check({ conv, head, rowBytes }: Rows): Promise<{ rows: number; problems: string[] }> {
    const { log } = this.#owner;
    const problems: string[] = [];
    const limits = { rowsMax: 4_096, bytesMax: 4 * 1024 * 1024 };
    const samples: StoredRow[] = [];
    let seen = 0;
    while (seen < head) {
      const rows = await log.read(conv, seen + 1, head, false, limits);
      for (const row of rows) {
        if (row.seq !== ++seen || row.env.length !== rowBytes)
          problems.push(`${conv}: seq ${row.seq} of ${row.env.length} bytes where ${seen} is due`);
        if (seen % SAMPLED_OF === 1 || seen > head - SAMPLED_LAST) samples.push(row);
      }
    }
    if ((await log.head(conv)) !== head) problems.push(`${conv}: the head is not ${head}`);
    const deadline = performance.now() + INDEXED_MS_MAX;
    for (const row of samples) problems.push(...(await this.#checkIndexed(conv, row, deadline)));
    return { rows: seen, problems };
  }

  async #checkIndexed(conv: ConversationId, { seq, env }: StoredRow, deadline: number): Promise<string[]> {
    for (;;) {
      const found = await this.#owner.log.lookUp(
        conv,
        messageFrom(env),
        messageDevice(env),
        messageCmid(env),
      );
      if (found.t === 'found' && found.hit.seq === seq) return [];
      if (performance.now() > deadline)
        return [`${conv}: the id of seq ${seq} is not indexed: ${JSON.stringify(found)}`];
      await sleep(LOOK_MS);
    }
  }

  async countRequests(): Promise<(rows: number) => Promise<StoreUse>> {
    const before = await this.#samples();
    return async (rows) => new Rise(before, await this.#samples()).storeUse(rows);
  }

  async #samples(): Promise<Samples> {
    const samples = new Map<string, number>();
    addSamples(samples, (await this.#owner.metrics.scrape()).text);
    return samples;
  }
}

function told(outcome: AppendOutcome): Outcome {
  if (outcome === 'committed') return { t: 'committed' };
  return outcome === 'unavailable' ? { t: 'refused' } : { t: 'fault', text: outcome };
}

async function run(plan: Plan): Promise<FromGenerator> {
  if (plan.job !== 'append') throw new Error(`${plan.job} is the job of another program`);
  const owner = await openOwner(plan.store);
  try {
    return { t: 'append', result: await pump(plan, new OwnerAppender(owner), tellProgress) };
  } finally {
    await owner.stop();
  }
}

carryOutPlan(run);
