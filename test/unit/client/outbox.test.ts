import assert from 'node:assert/strict';
import test from 'node:test';
import { Outbox } from '../../../src/client/outbox.ts';
import type { ErrorFrame, Send } from '../../../src/protocol/frames.ts';
import { VirtualTime } from './virtual-world.ts';

const CONV = '0190a000-0000-7000-8000-00000000c0de';

class Rig {
  readonly time = new VirtualTime();
  readonly sent: Send[] = [];
  readonly outbox = new Outbox({
    system: this.time,
    outboxMax: 10,
    inFlightMax: 10,
    inFlightTotalMax: 10,
    nextId: () => this.sent.length + 1,
    send: (frame) => this.sent.push(frame) > 0,
    settled: () => undefined,
  });

  add(cmid: string, conv = CONV): void {
    this.outbox.add(conv, cmid, 'hi', 'text')[1].catch(() => undefined);
  }
  refuse(id: number, retryable = true): void {
    const error: ErrorFrame = { t: 'error', id, code: 'timed_out_unknown', message: '', retryable };
    this.outbox.refused({ ...error, retryAfterMs: 100 });
  }
  /** `one`, `two retry`: since the last look. */
  said(): string[] {
    return this.sent.splice(0).map(({ cmid, retry }) => (retry === true ? `${cmid} retry` : cmid));
  }
}

test('S4.5: what was refused and is in the log after all is made up for by the next send, flagged `retry`', async () => {
  const rig = new Rig();
  rig.add('one');
  rig.refuse(1);
  rig.outbox.seen(CONV, 'one', { seq: 2, ts: 1 });
  await rig.time.advance(1_000);
  rig.add('other', 'another conversation');
  rig.add('two');
  rig.add('three');
  assert.deepEqual(rig.said(), ['one', 'other', 'two retry', 'three']);
});

test('one of several that is in the log leaves the others to be sent again, and those after them as they are', async () => {
  const rig = new Rig();
  for (const cmid of ['one', 'two']) rig.add(cmid);
  for (const id of [1, 2]) rig.refuse(id);
  rig.outbox.seen(CONV, 'one', { seq: 2, ts: 1 });
  await rig.time.advance(1_000);
  rig.add('three');
  assert.deepEqual(rig.said(), ['one', 'two', 'two retry', 'three']);
});

test('a new connection owes nothing', async () => {
  const rig = new Rig();
  rig.add('one');
  rig.refuse(1);
  rig.outbox.seen(CONV, 'one', { seq: 2, ts: 1 });
  rig.outbox.offline();
  rig.outbox.online();
  rig.add('two');
  assert.deepEqual(rig.said(), ['one', 'two']);
});
