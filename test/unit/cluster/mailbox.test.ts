import assert from 'node:assert/strict';
import test from 'node:test';
import { Mailbox, MAILBOX_BYTES_MAX, MAILBOX_MESSAGES_MAX } from '../../../cluster/mailbox.ts';
import { cmid, history, read, send } from '../actors/requests.ts';

const KIB = 1024;

test('S9.4: it holds 1,024 requests in order, and refuses one more without a trace', () => {
  const mailbox = new Mailbox();
  const requests = Array.from({ length: MAILBOX_MESSAGES_MAX }, (_, i) =>
    history('ann', { after: i, bytes: 1 }),
  );
  for (const request of requests) assert.ok(mailbox.offer(request));
  assert.ok(!mailbox.offer(history('ann', { bytes: 1 })));
  assert.deepEqual([mailbox.length, mailbox.bytes], [1_024, 1_024]);
  assert.equal(mailbox.take(), requests[0]);
  assert.ok(mailbox.offer(history('ann', { bytes: 1 })), 'one went, one may come');
  for (const request of requests.slice(1)) assert.equal(mailbox.take(), request);
});

test('S9.4: it holds 1 MiB; a request larger than that alone only when it is empty', () => {
  const mailbox = new Mailbox();
  const of = (bytes: number): ReturnType<typeof send> => send('ann', cmid(1), { bytes });
  for (let i = 0; i < 63; i++) assert.ok(mailbox.offer(of(16 * KIB)));
  assert.ok(!mailbox.offer(of(16 * KIB + 1)));
  assert.ok(mailbox.offer(of(16 * KIB)));
  assert.equal(mailbox.bytes, MAILBOX_BYTES_MAX);
  assert.ok(!mailbox.offer(of(1)));
  while (mailbox.take() !== undefined);
  assert.equal(mailbox.bytes, 0);
  assert.ok(mailbox.offer(of(2 * MAILBOX_BYTES_MAX)));
  assert.ok(!mailbox.offer(of(1)));
});

test('completions have a queue of their own', () => {
  const mailbox = new Mailbox();
  const fetched = { t: 'fetched', request: read('ann', 1), row: undefined } as const;
  assert.ok(mailbox.offer(history('ann')));
  mailbox.complete(fetched);
  mailbox.complete({ ...fetched });
  assert.deepEqual([mailbox.length, mailbox.hasCompletions], [1, true]);
  assert.equal(mailbox.takeCompletion(), fetched);
  assert.ok(mailbox.takeCompletion() !== undefined);
  assert.deepEqual([mailbox.takeCompletion(), mailbox.hasCompletions, mailbox.length], [undefined, false, 1]);
});
