import assert from 'node:assert/strict';
import test from 'node:test';
import { type Appender, type Outcome, pump } from '../../../bench/append/pump.ts';
import { Rows, rowBytesOf, USERS } from '../../../bench/append/rows.ts';
import type { AppendPlan } from '../../../bench/plan.ts';
import { isUuid, uuidV7Time } from '../../../src/core/ids.ts';
import type { AppendRow } from '../../../src/core/rows.ts';
import {
  messageBody,
  messageCmid,
  messageConv,
  messageDevice,
  messageFrom,
  messageIsText,
  messageKind,
  N_AT,
  payloadHash,
  readU64,
  SEQ_AT,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';

test('rows are those of a direct: their frames say what their fields say', () => {
  const line = new Rows(140);
  const rows = line.next(3);
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 2, 3],
  );
  for (const { seq, env, user, device, cmid, hash } of rows) {
    assert.deepEqual([readU64(env, SEQ_AT), readU64(env, N_AT)], [seq, seq]);
    assert.deepEqual([messageConv(env), messageFrom(env), messageDevice(env)], [line.conv, user, device]);
    assert.equal(messageCmid(env), cmid);
    assert.ok(isUuid(cmid) && uuidV7Time(cmid) === readU64(env, TS_AT), cmid);
    assert.equal(payloadHash(messageKind(env), messageBody(env), messageIsText(env)), hash);
    assert.deepEqual([messageBody(env).length, env.length], [140, rowBytesOf(140)]);
  }
  assert.equal(new Set(rows.map(({ cmid }) => cmid)).size, 3);
  assert.deepEqual(
    rows.map(({ user }) => user),
    [USERS[1], USERS[0], USERS[1]],
  );
  assert.equal(rows[0]?.device, 'bench');
});

test('no batch crosses a bucket', () => {
  const line = new Rows(8);
  const sizes: number[] = [];
  while (line.head < 4_200) sizes.push(line.next(100).length);
  assert.equal(sizes[40], 96);
  assert.ok(sizes.every((size, i) => size === 100 || i === 40));
});

const PLAN: AppendPlan = {
  job: 'append',
  store: { contactPoints: [], localDc: '', keyspace: '', processes: [] },
  conversations: 3,
  rowsPerBatch: 16,
  bodyBytes: 40,
  warmupMs: 20,
  measureMs: 150,
};

type Fault = 'none' | 'refuse once' | 'forget' | 'lose';

/** A log in memory, with a fault at the batch that begins with seq 49. */
class Log implements Appender {
  readonly #rows = new Map<Rows, AppendRow[]>();
  readonly #fault: Fault;
  inFlightMax = 0;
  refusals = 0;
  #inFlight = 0;

  constructor(fault: Fault) {
    this.#fault = fault;
  }
  async begin(lines: readonly Rows[]): Promise<void> {
    for (const line of lines) this.#rows.set(line, []);
  }
  append(line: Rows, rows: readonly AppendRow[], done: (outcome: Outcome) => void): void {
    this.inFlightMax = Math.max(this.inFlightMax, ++this.#inFlight);
    setImmediate(() => {
      this.#inFlight--;
      const isFaulty = rows[0]?.seq === 49;
      if (isFaulty && this.#fault === 'refuse once' && this.refusals++ < 3) {
        done({ t: 'refused' });
        return;
      }
      if (isFaulty && this.#fault === 'forget') {
        done({ t: 'fault', text: 'timedOutUnknown' });
        return;
      }
      this.#rows.get(line)?.push(...(isFaulty && this.#fault === 'lose' ? rows.slice(1) : rows));
      done({ t: 'committed' });
    });
  }
  async check(line: Rows): Promise<{ rows: number; problems: string[] }> {
    const rows = this.#rows.get(line)?.length ?? 0;
    return { rows, problems: rows === line.head ? [] : [`${rows} rows, not ${line.head}`] };
  }
}

test('one batch of each conversation is in flight, and what is counted adds up', async () => {
  const log = new Log('none');
  const result = await pump(PLAN, log, () => {});
  assert.deepEqual(result.problems, []);
  assert.equal(log.inFlightMax, 3);
  assert.ok(result.rows > 0 && result.checked >= result.rows);
  assert.equal(result.batchLatency.count, result.rows / PLAN.rowsPerBatch);
  assert.equal(result.rowBytes, rowBytesOf(40));
});

test('what is refused is appended again, and counted', async () => {
  const result = await pump(PLAN, new Log('refuse once'), () => {});
  assert.deepEqual([result.problems, result.refused], [[], 3]);
});

for (const fault of ['forget', 'lose'] as const) {
  test(`appending finds a log's fault: ${fault}`, async () => {
    const result = await pump(PLAN, new Log(fault), () => {});
    assert.ok(result.problemCount > 0);
    assert.ok(result.problems.length > 0);
  });
}
