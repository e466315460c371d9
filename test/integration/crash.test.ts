import assert from 'node:assert/strict';
import test from 'node:test';
import { crashRounds } from '../chaos/crash.ts';
import { checkHistory, type ConversationHistory, isClean, newVerdict } from '../chaos/history.ts';
import { embedded } from '../scenarios/deployment.ts';
import { freePort, scratchDir } from '../support/server-process.ts';

test('kill -9 under load, three times: nothing acked is lost, doubled, reordered or missing', async (t) => {
  const dir = scratchDir('crash');
  t.after(() => dir.remove());
  const verdict = await crashRounds({
    rounds: 3,
    conversations: 50,
    ackedPerRound: 3_000,
    deployment: await embedded({
      dataDir: dir.path,
      port: await freePort(),
      env: { CARILLON_SENDS_PER_SECOND: '100000', CARILLON_SEND_BURST: '100000' },
    }),
    progress: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(isClean(verdict), verdict.examples.join('\n'));
  assert.ok(verdict.acked >= 9_000);
});

/** A history of three messages, as it should be; each case spoils it in one way. */
function goodHistory(): ConversationHistory {
  const row = (seq: number): ConversationHistory['log'][number] => {
    const rest = { t: 'message', conv: 'c', n: seq, ts: 1, from: 'ann', device: 'd', kind: 'text' } as const;
    return { ...rest, seq, cmid: `m${seq}`, body: `b${seq}` };
  };
  return {
    conv: 'c',
    sent: new Map([['ann', [1, 2, 3].map((seq) => ({ body: `b${seq}`, seq }))]]),
    received: new Map([['bob', [1, 2, 3].map((seq) => ({ seq, cmid: `m${seq}` }))]]),
    log: [row(1), row(2), row(3)],
  };
}

const SPOILT: readonly [keyof ReturnType<typeof newVerdict>, (history: ConversationHistory) => void][] = [
  ['lost', (history) => void (history.sent.get('ann')?.[2] && (history.log = history.log.slice(0, 2)))],
  ['lost', (history) => void history.received.get('bob')?.pop()],
  ['gaps', (history) => void history.received.get('bob')?.splice(1, 1)],
  ['gaps', (history) => void (history.log = history.log.filter((_, index) => index !== 1))],
  ['duplicated', (history) => void history.received.get('bob')?.push({ seq: 3, cmid: 'm3' })],
  [
    'duplicated',
    (history) =>
      void (history.log = [...history.log, { ...(history.log[2] as never as object), seq: 4 } as never]),
  ],
  ['reordered', (history) => void history.sent.get('ann')?.reverse()],
  ['reordered', (history) => void history.received.get('bob')?.splice(0, 1, { seq: 1, cmid: 'm2' })],
];

test('the checker of histories finds each kind of fault', () => {
  const clean = newVerdict();
  checkHistory(goodHistory(), clean);
  assert.ok(isClean(clean) && clean.acked === 3);
  for (const [what, spoil] of SPOILT) {
    const verdict = newVerdict();
    const history = goodHistory();
    spoil(history);
    checkHistory(history, verdict);
    assert.notEqual(verdict[what], 0, `${what}: ${spoil.toString()}`);
  }
});
