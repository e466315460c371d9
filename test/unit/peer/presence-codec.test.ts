import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readCursor, writeCursor } from '../../../cluster/peer/delivery-codec.ts';
import { FRAME } from '../../../cluster/peer/frame.ts';
import {
  readSettings,
  readSnapshot,
  readState,
  readUsers,
  writeAnnounce,
  writeDepart,
  writeResync,
  writeSettings,
  writeSnapshot,
  writeState,
  writeUnwatch,
  writeWatch,
} from '../../../cluster/peer/presence-codec.ts';
import { VISIBILITIES } from '../../../src/core/users.ts';
import { OneFrame, written } from './one-frame.ts';

const EDGE = '00000001-0000-7000-8000-000000000000';
const name = fc.stringMatching(/^[A-Za-z0-9._@:-]{1,64}$/);
const users = fc.array(name, { maxLength: 20 });
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const visibility = fc.constantFrom(...VISIBILITIES);

test('presence comes out as it went in, a large snapshot in parts', () => {
  fc.assert(
    fc.property(name, users, (user, all) => {
      assert.deepEqual(written((sink) => writeAnnounce(sink, user)).read(readUsers), [user]);
      assert.deepEqual(written((sink) => writeDepart(sink, user)).read(readUsers), [user]);
      assert.deepEqual(written((sink) => writeResync(sink, all)).read(readUsers), all);
    }),
  );
  const many = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);
  const parts: (ReturnType<typeof readSnapshot> & object)[] = [];
  const sink = new OneFrame();
  const reserve = sink.reserve.bind(sink);
  const take = (): void => {
    const part = sink.end > 0 ? sink.read(readSnapshot) : undefined;
    if (part !== undefined) parts.push(part);
  };
  sink.reserve = (size) => {
    take();
    return reserve(size);
  };
  writeSnapshot(sink, many);
  take();
  assert.deepEqual(
    parts.map(({ isFirst, isLast }) => [isFirst, isLast]),
    [
      [true, false],
      [false, false],
      [false, true],
    ],
  );
  assert.deepEqual(
    parts.flatMap((part) => part.users),
    many,
  );
  assert.deepEqual(written((empty) => writeSnapshot(empty, [])).read(readSnapshot), {
    isFirst: true,
    isLast: true,
    users: [],
  });
});

test('who is watched, how they are and what they have set come out as they went in', () => {
  fc.assert(
    fc.property(name, fc.boolean(), count, visibility, fc.uuid(), (user, is, number, visibleTo, conv) => {
      const watch = written((sink) => writeWatch(sink, user));
      assert.deepEqual([watch.type, watch.read(readUsers)], [FRAME.watch, [user]]);
      const unwatch = written((sink) => writeUnwatch(sink, user));
      assert.deepEqual([unwatch.type, unwatch.read(readUsers)], [FRAME.unwatch, [user]]);
      const state = { user, online: is, seen: number, visibleTo };
      const told = written((sink) => writeState(sink, state)).read((...at) => readState(EDGE, ...at));
      assert.deepEqual(told, { t: 'state', edge: EDGE, state });
      const set = {
        t: 'settings',
        user,
        settings: { receipts: is, presence: visibleTo, at: number },
      } as const;
      assert.deepEqual(written((sink) => writeSettings(sink, set)).read(readSettings), set);
      const cursor = { t: 'cursor', conv, user, item: [user, number, 0] } as const;
      assert.deepEqual(written((sink) => writeCursor(sink, cursor)).read(readCursor), cursor);
    }),
  );
});
