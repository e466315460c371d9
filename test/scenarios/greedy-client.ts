import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';

const SENDS = 10_000;

/** Many sends at once on one connection: every id is answered once, refusals say when to retry. */
export async function greedyClient({ urls: [url = ''] }: Deployment): Promise<void> {
  const client = await RawClient.hello(url, 'greedy');
  const created = await client.request({ t: 'create', id: 1, kind: 'group', members: [], title: 'alone' });
  assert.equal(created.t, 'created');
  const { conv } = created;
  for (let i = 0; i < SENDS; i++)
    client.send({ t: 'send', id: i + 2, conv, cmid: randomUUID(), body: `m${i}` });
  const answers = await client.count(
    'answers',
    SENDS,
    ({ t: type, id }) => id !== undefined && id > 1 && type !== 'message',
    30_000,
  );
  assert.equal(new Set(answers.map(({ id }) => id)).size, SENDS, 'one answer an id');
  const acks = answers.filter((answer) => answer.t === 'ack');
  const errors = answers.filter((answer) => answer.t === 'error');
  assert.equal(acks.length + errors.length, SENDS);
  for (const error of errors) {
    assert.ok(
      ['rate_limited', 'overloaded', 'unavailable'].includes(error['code'] as string),
      JSON.stringify(error),
    );
    assert.ok(error['retryable'] === true && Number(error['retryAfterMs']) > 0, JSON.stringify(error));
  }
  assert.ok(errors.length > 0, 'the default rate admits no 10,000 at once');
  assert.ok(acks.length >= 1_000, `${acks.length} were taken`);
  const bySeq = acks.sort((a, b) => Number(a['seq']) - Number(b['seq']));
  assert.deepEqual(
    bySeq.map(({ seq }: RawFrame & { seq?: unknown }) => seq),
    bySeq.map((_, i) => i + 2),
    'seqs are dense',
  );
  const ids = bySeq.map(({ id }) => Number(id));
  assert.deepEqual(
    ids,
    [...ids].sort((a, b) => a - b),
    'in the order of sending',
  );
  client.close();
}
