import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { UNSET, type UserSettings, type Visibility } from '../../src/core/users.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import {
  checksOf,
  conversationRow,
  inboxRow,
  memberRow,
  type OpenProjections,
  type ProjectionsUnderTest,
  projection,
} from './store-fixtures.ts';

/** What every ProjectionStore does, whatever it stands on. */
export function projectionStoreSuite(name: string, open: OpenProjections): void {
  const check = checksOf(name, open);

  check('what is established is there, once and once more', async (store) => {
    const conv = randomUUID();
    const conversation = conversationRow(conv, 1, 'a title');
    const members = [memberRow('ann', { role: 'owner' }), memberRow('bob'), memberRow('cy:d@x.y_z-1')];
    assert.equal(await store.projections.conversation(conv), undefined);
    assert.deepEqual(await store.projections.members(conv), []);
    await store.establish({ conversation, members });
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(await store.projections.conversation(conv), conversation);
      assert.deepEqual(byUser(await store.projections.members(conv)), members);
      await store.projections.write([projection(conv, 1, { conversation, members })]);
    }
  });

  check('upserts rows whole; a user has own rows alone', async (store) => {
    const [one, two] = [randomUUID(), randomUUID()];
    const ann = `ann-${randomUUID()}`;
    const [prefix, longer] = [ann.slice(0, -1), `${ann}a`];
    await store.projections.write([
      projection(one, 1, {
        conversation: conversationRow(one),
        members: [memberRow(ann), memberRow(longer)],
        inbox: [inboxRow(ann, one, 1), inboxRow(longer, one, 1)],
      }),
      projection(two, 1, { inbox: [inboxRow(ann, two, 0)] }),
    ]);
    await store.projections.write([projection(one, 1, { inbox: [inboxRow(ann, one, 4, 2)] })]);
    assert.deepEqual(
      byConv((await store.projections.inbox(ann)).rows),
      byConv([inboxRow(ann, one, 4, 2), inboxRow(ann, two, 0)]),
    );
    assert.deepEqual((await store.projections.inbox(longer)).rows, [inboxRow(longer, one, 1)]);
    assert.deepEqual((await store.projections.inbox(prefix)).rows, []);
    assert.deepEqual(await store.projections.inboxRow(ann, two), inboxRow(ann, two, 0));
    assert.equal(await store.projections.inboxRow(longer, two), undefined);
    assert.deepEqual(await store.projections.conversation(one), conversationRow(one));
  });

  check('all fields come back, absent ones too', async (store) => {
    const conv = randomUUID();
    const row = inboxRow('ann', conv, 2 ** 40, 2 ** 33);
    const entry = { ...row.entry, kind: 'direct' as const, title: undefined, peer: 'bob', removed: 2 ** 40 };
    const member = memberRow('ann', { role: 'admin', join: 2 ** 34, left: 2 ** 35, read: 2 ** 36, readN: 7 });
    const conversation = conversationRow(conv, 2 ** 37);
    await store.projections.write([
      projection(conv, 1, { conversation, members: [member], inbox: [{ ...row, entry }] }),
    ]);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), { ...row, entry });
    assert.deepEqual(await store.projections.members(conv), [member]);
    assert.deepEqual(await store.projections.conversation(conv), conversation);
  });

  check('a late write never wins over a newer one; among equals the later does', async (store) => {
    const conv = randomUUID();
    const write = (head: number, read: number, version: number) =>
      store.projections.write([
        projection(conv, 1, {
          conversation: conversationRow(conv, version, `version ${version}`),
          members: [memberRow('ann', { read })],
          inbox: [inboxRow('ann', conv, head, read)],
        }),
      ]);
    await write(9, 5, 3);
    await write(7, 4, 2);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 5));
    assert.deepEqual(await store.projections.members(conv), [memberRow('ann', { read: 5 })]);
    assert.equal((await store.projections.conversation(conv))?.title, 'version 3');
    await write(9, 8, 3);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    const again = await store.reopen();
    await again.projections.write([projection(conv, 1, { inbox: [inboxRow('ann', conv, 8, 8)] })]);
    assert.deepEqual(await again.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    const third = await again.reopen();
    assert.deepEqual(await third.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    assert.deepEqual(await third.projections.members(conv), [memberRow('ann', { read: 8 })]);
  });

  check('what was delivered stands beside what was read, and neither falls', async (store) => {
    const conv = randomUUID();
    const write = (delivered: number, read: number) =>
      store.projections.write([
        projection(conv, 1, { members: [memberRow('ann', { delivered, read, readN: read })] }),
      ]);
    for (const [delivered, read, kept] of [
      [9, 5, { delivered: 9, read: 5 }],
      [9, 7, { delivered: 9, read: 7 }],
      [12, 7, { delivered: 12, read: 7 }],
      [9, 5, { delivered: 12, read: 7 }],
      [20, 20, { delivered: 20, read: 20 }],
    ] as const) {
      await write(delivered, read);
      assert.deepEqual(await store.projections.members(conv), [
        memberRow('ann', { ...kept, readN: kept.read }),
      ]);
    }
    const again = await store.reopen();
    assert.deepEqual(await again.projections.members(conv), [
      memberRow('ann', { delivered: 20, read: 20, readN: 20 }),
    ]);
  });

  check('what a member has set is kept beside all else, and what was never set is absent', async (store) => {
    const [conv, user] = [randomUUID(), `ann-${randomUUID()}`];
    const shown = inboxRow(user, conv, 5, 2);
    const set = async (mute: number, pin: boolean, archive: boolean, at: number): Promise<void> => {
      const entry = {
        ...shown.entry,
        ...(mute > 0 && { mute }),
        ...(pin && { pin }),
        ...(archive && { archive }),
      };
      await store.projections.write([
        projection(conv, 1, {
          members: [memberRow(user, { prefs: { mute, pin, archive, at } })],
          inbox: [{ ...shown, entry: { ...entry, set: at } }],
        }),
      ]);
    };
    const isShown = async (
      { projections }: ProjectionsUnderTest,
      mute: number,
      pin: boolean,
      archive: boolean,
    ): Promise<void> => {
      const { prefs } = (await projections.members(conv))[0] ?? {};
      assert.deepEqual([prefs?.mute, prefs?.pin, prefs?.archive], [mute, pin, archive]);
      const { entry } = (await projections.inboxRow(user, conv)) ?? {};
      assert.deepEqual(
        [entry?.mute ?? 0, entry?.pin ?? false, entry?.archive ?? false],
        [mute, pin, archive],
      );
      assert.deepEqual((await projections.inbox(user)).rows[0]?.entry, entry);
    };
    await store.projections.write([projection(conv, 1, { members: [memberRow(user)], inbox: [shown] })]);
    assert.equal((await store.projections.members(conv))[0]?.prefs, undefined);
    assert.deepEqual(await store.projections.inboxRow(user, conv), shown);
    for (const [at, mute, pin, archive] of [
      [2 ** 20, 1_700_000_000_000, true, false],
      [2 ** 20 + 1, 1_700_000_000_000, true, true],
      [2 ** 21, 0, false, false],
      [2 ** 21 + 7, 4_000_000_000_000, false, true],
    ] as const) {
      await set(mute, pin, archive, at);
      await isShown(store, mute, pin, archive);
    }
    await isShown(await store.reopen(), 4_000_000_000_000, false, true);
  });

  check('of a user never heard of nothing is set, and no time is known', async (store) => {
    const user = `nobody-${randomUUID()}`;
    assert.deepEqual(await store.projections.user(user), { user, settings: UNSET, seen: 0 });
    assert.deepEqual(await store.projections.inbox(user), { rows: [], settings: UNSET });
    assert.deepEqual(await store.projections.user(user), { user, settings: UNSET, seen: 0 });
  });

  check('when a user was seen only rises, and stands apart from what is set', async (store) => {
    const user = `ann-${randomUUID()}`;
    const settings = { receipts: false, presence: 'contacts', at: 2 ** 41 } as const;
    for (const [seen, kept] of [
      [2 ** 40, 2 ** 40],
      [2 ** 40 + 5, 2 ** 40 + 5],
      [2 ** 40 + 4, 2 ** 40 + 5],
    ] as const) {
      await store.projections.writeSeen([{ user, seen }]);
      assert.deepEqual(await store.projections.user(user), { user, settings: UNSET, seen: kept });
    }
    assert.equal(await store.projections.changeSettings(user, UNSET, settings), 'applied');
    const again = await store.reopen();
    assert.deepEqual(await again.projections.user(user), { user, settings, seen: 2 ** 40 + 5 });
    await again.projections.writeSeen([{ user, seen: 2 ** 40 + 9 }]);
    assert.deepEqual(await again.projections.user(user), { user, settings, seen: 2 ** 40 + 9 });
  });

  check('what a user has set is changed only by who knows what is set', async (store) => {
    const user = `ann-${randomUUID()}`;
    const set = (at: number, receipts: boolean, presence: Visibility) => ({ receipts, presence, at });
    const [first, second] = [set(2 ** 41, false, 'contacts'), set(2 ** 41 + 1, true, 'nobody')];
    const change = (from: UserSettings, to: UserSettings) => store.projections.changeSettings(user, from, to);
    assert.deepEqual(await store.projections.settings(user), UNSET);
    assert.equal(await change(first, second), 'notApplied');
    assert.equal(await change(UNSET, first), 'applied');
    assert.equal(await change(UNSET, second), 'notApplied');
    assert.deepEqual(await store.projections.settings(user), first);
    const both = await Promise.all([change(first, second), change(first, set(2 ** 41 + 2, false, 'nobody'))]);
    assert.ok(both.filter((outcome) => outcome === 'applied').length <= 1, both.join());
    const { settings } = await store.projections.user(user);
    assert.deepEqual(await store.projections.settings(user), settings);
    const again = await store.reopen();
    assert.deepEqual(await again.projections.settings(user), settings);
  });

  check('users of one write are told apart, one whose name begins with another’s too', async (store) => {
    const ann = `ann-${randomUUID()}`;
    const users = [ann, `${ann}a`, ann.slice(0, -1), 'u'.repeat(64)];
    const rows = users.map((user, i) => ({ user, seen: 2 ** 40 + i }));
    await store.projections.writeSeen(rows);
    await store.projections.writeSeen([]);
    for (const { user, seen } of rows) assert.equal((await store.projections.user(user)).seen, seen);
    const many = Array.from({ length: 64 }, (_, i) => ({ user: `${ann}-${i}`, seen: 7 + i }));
    await store.projections.writeSeen(many);
    for (const { user, seen } of many) assert.equal((await store.projections.user(user)).seen, seen);
  });

  check('an inbox has the user’s settings, with conversations and without', async (store) => {
    const [conv, user] = [randomUUID(), `ann-${randomUUID()}`];
    const settings = { receipts: false, presence: 'nobody' as const, at: 2 ** 41 };
    await store.projections.writeSeen([{ user, seen: 2 ** 40 }]);
    assert.deepEqual(await store.projections.inbox(user), { rows: [], settings: UNSET });
    assert.equal(await store.projections.changeSettings(user, UNSET, settings), 'applied');
    assert.deepEqual(await store.projections.inbox(user), { rows: [], settings });
    assert.equal(await store.projections.inboxRow(user, conv), undefined);
    const row = inboxRow(user, conv, 3, 1);
    await store.projections.write([projection(conv, 1, { inbox: [row] })]);
    assert.deepEqual(await store.projections.inbox(user), { rows: [row], settings });
    assert.deepEqual(await store.projections.user(user), { user, settings, seen: 2 ** 40 });
    const again = await store.reopen();
    assert.deepEqual(await again.projections.inbox(user), { rows: [row], settings });
  });

  check(
    'what is shown of a read cursor is kept beside it, and is absent where nothing was hidden',
    async (store) => {
      const conv = randomUUID();
      const prefs = { mute: 0, pin: true, archive: false, at: 0 };
      const rows = (shown: number | undefined, read: number) => [
        memberRow('ann', { read, readN: read, ...(shown !== undefined && { shown }) }),
        memberRow('bob', { read: 2, readN: 2 }),
        memberRow('cat', { read: 4, readN: 4, shown: 0, prefs }),
      ];
      const steps: [shown: number | undefined, read: number][] = [
        [undefined, 3],
        [3, 5],
        [3, 9],
        [9, 9],
        [9, 2 ** 40],
        [2 ** 40, 2 ** 40],
      ];
      const isThere = async (
        { projections }: ProjectionsUnderTest,
        shown: number | undefined,
        read: number,
      ) => {
        const [ann, bob, cat] = byUser(await projections.members(conv));
        assert.deepEqual([ann, bob], rows(shown, read).slice(0, 2));
        assert.deepEqual([cat?.shown, cat?.read, cat?.prefs?.pin], [0, 4, true]);
      };
      for (const [shown, read] of steps) {
        await store.projections.write([projection(conv, 1, { members: rows(shown, read) })]);
        await isThere(store, shown, read);
      }
      await isThere(await store.reopen(), 2 ** 40, 2 ** 40);
    },
  );

  check('the same write again, and again later, changes nothing', async (store) => {
    const conv = randomUUID();
    const first = projection(conv, 1, {
      conversation: conversationRow(conv, 2),
      members: [memberRow('ann', { read: 2, readN: 2 })],
      inbox: [inboxRow('ann', conv, 5, 2)],
    });
    const second = projection(conv, 1, { inbox: [inboxRow('ann', conv, 6, 2)] });
    for (const write of [first, first, second, first, second]) await store.projections.write([write]);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), inboxRow('ann', conv, 6, 2));
    assert.deepEqual(await store.projections.members(conv), [memberRow('ann', { read: 2, readN: 2 })]);
    assert.deepEqual(await store.projections.conversation(conv), conversationRow(conv, 2));
  });

  check('texts empty and at their longest', async (store) => {
    const conv = randomUUID();
    const [user, peer] = ['u'.repeat(64), 'p'.repeat(64)];
    const longest = '\u{1F600}'.repeat(LIMITS.previewCharsMax);
    const title = '\u20ac'.repeat(LIMITS.titleCharsMax);
    const [row, empty] = [inboxRow(user, conv, 3, 0, longest), inboxRow('e', conv, 3, 0, '')];
    const inbox = [
      { ...row, entry: { ...row.entry, title, peer, kind: 'direct' as const } },
      { ...empty, entry: { ...empty.entry, title: undefined } },
    ];
    const [full] = inbox;
    const conversation = { ...conversationRow(conv, 1, title), creator: user };
    await store.projections.write([
      projection(conv, 1, { conversation, members: [memberRow(user), memberRow('e')], inbox }),
    ]);
    assert.deepEqual(await store.projections.conversation(conv), conversation);
    assert.deepEqual(byUser(await store.projections.members(conv)), [memberRow('e'), memberRow(user)]);
    assert.deepEqual(await store.projections.inboxRow(user, conv), full);
    assert.deepEqual(await store.projections.inboxRow('e', conv), inbox[1]);
    assert.deepEqual((await store.projections.inbox(user)).rows, [full]);
    const [bare] = [conversationRow(randomUUID(), 0)];
    await store.projections.write([projection(bare.conv, 1, { conversation: bare })]);
    assert.deepEqual(await store.projections.conversation(bare.conv), bare);
  });

  check('reads during writes see whole rows, each at least as new as what was answered', async (store) => {
    const [conv, user] = [randomUUID(), `ann-${randomUUID()}`];
    let answered = 0;
    let writing = true;
    const read = async (): Promise<void> => {
      while (writing) {
        const before = answered;
        const [
          {
            rows: [row],
          },
          alone,
        ] = await Promise.all([store.projections.inbox(user), store.projections.inboxRow(user, conv)]);
        for (const each of [row, alone]) {
          if (each === undefined) assert.equal(before, 0);
          else {
            assert.ok(each.entry.head >= before, `${each.entry.head} after ${before}`);
            assert.deepEqual(each, inboxRow(user, conv, each.entry.head, each.entry.head - 1));
          }
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const reader = read();
    for (let head = 1; head <= 30; head++) {
      await store.projections.write([projection(conv, 1, { inbox: [inboxRow(user, conv, head, head - 1)] })]);
      answered = head;
    }
    writing = false;
    await reader;
  });

  check('many rows in one write', async (store) => {
    const conv = randomUUID();
    const users = Array.from({ length: 256 }, (_, i) => `user-${i}`);
    const inbox = users.map((user) => inboxRow(user, conv, 3, 1, 'x'.repeat(200)));
    await store.projections.write([
      projection(conv, 1, { members: users.map((user) => memberRow(user)), inbox }),
    ]);
    assert.equal((await store.projections.members(conv)).length, 256);
    assert.deepEqual(await store.projections.inboxRow('user-255', conv), inbox[255]);
    const again = await store.reopen();
    assert.equal((await again.projections.members(conv)).length, 256);
    assert.deepEqual(await again.projections.inboxRow('user-0', conv), inbox[0]);
  });
}

function byUser<T extends { user: string }>(rows: T[]): T[] {
  return rows.toSorted((a, b) => (a.user < b.user ? -1 : 1));
}
function byConv<T extends { entry: { conv: string } }>(rows: readonly T[]): T[] {
  return rows.toSorted((a, b) => (a.entry.conv < b.entry.conv ? -1 : 1));
}
