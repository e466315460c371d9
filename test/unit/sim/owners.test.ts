import assert from 'node:assert/strict';
import test from 'node:test';
import { outsidePromises } from '../../sim/microtasks.ts';
import { makeOwnersPlan, type OwnersPlan, type Step } from '../../sim/owners/plan.ts';
import { runOwners } from '../../sim/owners/run.ts';
import { type Message, Tenure } from '../../sim/owners/tenure.ts';
import { Traps } from '../../sim/owners/traps.ts';
import type { Outcome } from '../../sim/world/run-seed.ts';
import { Dice } from '../peer/rough-bus.ts';

const CONV = '0190a000-0000-7000-8000-00000000c0de';

/** What befalls the plan's owners is the steps alone. */
function run(steps: readonly Step[], changes: Partial<OwnersPlan> = {}): Promise<Outcome> {
  const drawn = makeOwnersPlan(1, 'a test', new Dice(1));
  const calm = { nodes: 3, conversations: 1, writers: 2, busLoss: 0, patienceMs: 1_500, activeMs: 6_000 };
  return outsidePromises(() => runOwners({ ...drawn, ...calm, steps, ...changes }, true));
}

/** At a time at which somebody has the conversation. */
function at(ms: number, deed: Step['deed']): Step {
  return { at: ms, deed };
}

test('left alone, one owner serves all that is asked of it', async () => {
  const { findings, acked, tally } = await run([]);
  assert.deepEqual(findings, []);
  assert.ok(acked > 50, `${acked}`);
  assert.equal(tally.handOvers, 0);
});

test('owners hand over, are stopped by a trap at a step of theirs, and rest', async () => {
  const moves = ['s1', 's2', 's3'].map((to, i) => at(500 + 1_500 * i, { t: 'move', conv: 0, to }));
  const stop = { does: 'crash', ms: 500, until: undefined } as const;
  const moment = { operation: 'log.write', when: 'sent', nth: 2 } as const;
  const trap = { moment, squall: { weather: { lossPerReplica: 1 }, ms: 1 }, stop };
  const steps = [...moves, at(700, { t: 'rest' }), at(5_200, { t: 'plot', traps: [trap] })];
  const { findings, tally, trace = [] } = await run(steps);
  assert.deepEqual(findings, []);
  assert.ok(tally.handOvers >= 2, `${tally.handOvers}`);
  assert.equal(tally.crashes, 1);
  assert.ok(tally.takeovers >= 1);
  assert.ok(trace.some((line) => line.includes('trap on')));
});

test('a conversation that nobody can write to in the end is a finding', async () => {
  const { findings } = await run([], { nodes: 0 });
  assert.equal(findings.length, 2);
  for (const { checker, words } of findings) {
    assert.equal(checker, 'no-surprise');
    assert.match(words, /unacked long after the last fault/);
  }
});

test('a trap strikes once, at the nth moment of its kind, and spares whom it is to spare', () => {
  const traps = new Traps();
  const struck: string[] = [];
  const moment = { operation: 'log.write', when: 'sent', nth: 2 } as const;
  traps.lay(moment, (slot) => struck.push(slot), 's1');
  const takeBack = traps.lay({ ...moment, nth: 1 }, () => struck.push('taken back'));
  takeBack();
  traps.sent('s2', 'log.write');
  traps.sent('s1', 'log.write');
  traps.answered('s2', 'log.write');
  traps.sent('s2', 'log.rowsBackward');
  assert.deepEqual(struck, []);
  traps.sent('s3', 'log.write');
  traps.sent('s3', 'log.write');
  assert.deepEqual(struck, ['s3']);
});

test('a tenure makes batches as an actor does: dense from the head, the first of none establishes it', () => {
  const nothing = { conversation: undefined, members: [], tail: [], unprojected: [] };
  const tenure = new Tenure({ conv: CONV, fence: 1, head: 0, ...nothing }, ['ann', 'bob']);
  const message = (nth: number): Message => {
    const cmid = `0190a000-0000-7000-8000-00000000000${nth}`;
    return { conv: CONV, user: 'ann', cmid, body: `${nth}`, nth, tries: 1 };
  };
  const first = tenure.batch([message(1), message(2)], 5);
  assert.equal(first.establish?.members.length, 2);
  assert.equal(tenure.exists, false);
  tenure.committed(first);
  assert.ok(tenure.exists);
  const second = tenure.batch([message(3)], 4);
  assert.deepEqual([second.c, second.rows[0]?.seq, second.establish], [2, 3, undefined]);
  assert.deepEqual(tenure.placeOf(message(2).cmid), { seq: 2, ts: 5 });
  assert.equal(tenure.handOver().head, 2);
});
