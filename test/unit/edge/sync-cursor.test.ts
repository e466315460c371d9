import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Entry } from '../../../src/core/entry.ts';
import { byActivity, listBehind, listFirst } from '../../../src/edge/inbox-list.ts';
import { changedSince, cursorOf } from '../../../src/edge/sync-cursor.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { convId, entryOf } from './rig.ts';

const entry = fc.record({
  i: fc.integer({ min: 0, max: 999 }),
  head: fc.integer({ min: 0, max: 2 ** 45 }),
  read: fc.nat(100),
  ts: fc.nat(20),
  removed: fc.option(fc.nat(50), { nil: undefined }),
});
const inbox = fc
  .uniqueArray(entry, { selector: ({ i }) => i, maxLength: 600 })
  .map((list) => list.map(({ i, ...fields }): Entry => entryOf(convId(i), fields)));

test('a cursor fits, does not depend on the order, and finds nothing changed by itself', () => {
  fc.assert(
    fc.property(inbox, (entries) => {
      const cursor = cursorOf(entries);
      assert.ok(cursor.length <= LIMITS.cursorCharsMax);
      assert.equal(cursorOf([...entries].reverse()), cursor);
      assert.ok(!entries.some(changedSince(cursor, entries)));
    }),
    { numRuns: 50 },
  );
});

test('whatever changes, comes or is added is found', () => {
  fc.assert(
    fc.property(inbox, fc.nat(), fc.integer({ min: 1, max: 2 ** 40 }), (before, pick, by) => {
      const cursor = cursorOf(before);
      const added = entryOf(convId(5_000), { head: by });
      assert.ok(changedSince(cursor, [...before, added])(added));
      if (before.length === 0) return;
      const old = before[pick % before.length] as Entry;
      for (const changed of [
        { ...old, head: old.head + by },
        { ...old, read: old.read + by },
        { ...old, removed: (old.removed ?? 0) + by },
        { ...old, mute: by },
        { ...old, pin: true },
        { ...old, archive: true },
      ]) {
        const after = before.map((each) => (each === old ? changed : each));
        assert.ok(changedSince(cursor, after)(changed), JSON.stringify(changed));
      }
    }),
    { numRuns: 100 },
  );
});

test('pages go through all, once each, and are stable while others move to the front', () => {
  fc.assert(
    fc.property(inbox, fc.integer({ min: 1, max: 70 }), (start, limit) => {
      let entries = start;
      let before: string | undefined;
      const seen: string[] = [];
      const moved = new Set<string>();
      for (let pages = 0; ; pages++) {
        const behind = listBehind(entries, before);
        assert.ok(behind);
        const page = listFirst(behind, limit, 1e9, 'json');
        seen.push(...page.entries.map(({ conv }) => conv));
        assert.equal(page.more, page.before !== undefined);
        if (!page.more) break;
        before = page.before;
        const last = behind.at(-1) as Entry; // gets a message: told as an event, so no page need show it
        moved.add(last.conv);
        entries = entries.map((each) => (each === last ? { ...each, ts: 1_000 + pages } : each));
      }
      assert.equal(new Set(seen).size, seen.length);
      for (const { conv } of start) assert.ok(seen.includes(conv) || moved.has(conv));
      const places = seen.filter((conv) => !moved.has(conv));
      const order = [...start].sort(byActivity).map(({ conv }) => conv);
      assert.deepEqual(
        places,
        order.filter((conv) => !moved.has(conv)),
      );
    }),
    { numRuns: 100 },
  );
});
