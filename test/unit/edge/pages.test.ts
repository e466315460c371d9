import assert from 'node:assert/strict';
import test from 'node:test';
import type { AppendRow, StoredRow } from '../../../src/core/rows.ts';
import type { HistoryRequest, PageAnswer } from '../../../src/core/requests.ts';
import { audience, type Client, convId, messageDelivery, Rig } from './rig.ts';

const conv = convId(1);

function frames(count: number, bodyBytes = 2): Uint8Array[] {
  const members = audience(conv, []);
  return Array.from({ length: count }, (_, i) => messageDelivery(members, i + 1, undefined, bodyBytes).frame);
}

/** Puts a log into the store, as an owner would. */
async function fill(rig: Rig, count: number, bodyBytes = 2): Promise<void> {
  const rows: AppendRow[] = frames(count, bodyBytes).map((env, i) => {
    return { seq: i + 1, m: 0, env, user: 'u', device: 'd', cmid: '', hash: 0 };
  });
  const batch = { conv, fence: 1, c: 0, rows, establish: undefined, dirtySlot: 0 };
  rig.store.append(batch, { appended: (_, outcome) => assert.equal(outcome, 'committed') });
  await rig.settle();
}

async function ask(client: Client, rig: Rig, id: number): Promise<HistoryRequest> {
  client.send({ t: 'history', id, conv });
  return rig.owners.requests.at(-1) as HistoryRequest;
}

const page = (count: number, bodyBytes?: number, more = false): PageAnswer => {
  return { t: 'page', head: count, frames: frames(count, bodyBytes), more };
};

test('a page from the owner is written as it is, in both subprotocols', async () => {
  const rig = new Rig();
  for (const subprotocol of ['binary', 'json'] as const) {
    const client = await rig.join('ann', subprotocol, subprotocol);
    rig.answer(await ask(client, rig, 1), page(3, 2, true));
    await rig.settle();
    const [answer] = client.all('page');
    assert.deepEqual(
      [answer?.id, answer?.conv, answer?.head, answer?.more, answer?.messages.map(({ seq }) => seq)],
      [1, conv, 3, true, [1, 2, 3]],
    );
  }
});

test('S6.2 S6.3 S6.5 a grant is read from the store, within its bounds', async () => {
  const rig = new Rig();
  await fill(rig, 100, 5_000);
  const client = await rig.join('ann');
  const grant = { t: 'grant', head: 100, limit: 200, moreBeyond: false } as const;
  const cases = [
    [{ ...grant, from: 10, to: 30, newestFirst: false }, [10, 30], false],
    [{ ...grant, from: 10, to: 30, newestFirst: true, moreBeyond: true }, [10, 30], true],
    [{ ...grant, from: 1, to: 100, newestFirst: false }, [1, 51], true],
    [{ ...grant, from: 1, to: 100, newestFirst: true }, [50, 100], true],
    [{ ...grant, from: 20, to: 90, newestFirst: false, limit: 5 }, [20, 24], true],
    [{ ...grant, from: 20, to: 90, newestFirst: true, limit: 5 }, [86, 90], true],
  ] as const;
  for (const [i, [answer, [first, last], more]] of cases.entries()) {
    rig.answer(await ask(client, rig, i + 1), answer);
    await rig.settle();
    const got = client.all('page').at(-1);
    assert.deepEqual(
      [got?.messages[0]?.seq, got?.messages.at(-1)?.seq, got?.more],
      [first, last, more],
      `case ${i}`,
    );
    assert.equal(got?.messages.length, last - first + 1);
  }
  rig.answer(await ask(client, rig, 50), { ...grant, from: 5, to: 4, newestFirst: false });
  await rig.settle();
  assert.deepEqual(client.all('page').at(-1)?.messages, []);
});

test('the store away: unavailable; a broken log: internal, and logged', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  const grant = {
    t: 'grant',
    head: 9,
    from: 1,
    to: 9,
    limit: 9,
    newestFirst: false,
    moreBeyond: false,
  } as const;
  rig.answer(await ask(client, rig, 1), grant); // rows that are not there
  await rig.settle();
  rig.store.available = false;
  rig.answer(await ask(client, rig, 2), grant);
  client.send({ t: 'conversations', id: 3 });
  await rig.settle();
  assert.deepEqual(
    client.all('error').map(({ id, code, retryable }) => [id, code, retryable]),
    [
      [1, 'internal', true],
      [2, 'unavailable', true],
      [3, 'unavailable', true],
    ],
  );
  assert.equal(rig.logged.filter(({ level }) => level === 'error').length, 1);
  rig.store.available = true;
  for (let id = 4; id < 8; id++) rig.answer(await ask(client, rig, id), page(1));
  await rig.settle();
  assert.equal(client.all('page').length, 4, 'its places are free again');
});

test('pages wait while the socket is behind, in order, and are not read before', async () => {
  const rig = new Rig();
  await fill(rig, 20, 10_000);
  const client = await rig.join('ann');
  let reads = 0;
  const read = rig.store.read.bind(rig.store);
  rig.store.read = (...args): Promise<StoredRow[]> => {
    reads++;
    return read(...args);
  };
  client.socket.isStuck = true;
  const grant = {
    t: 'grant',
    head: 20,
    from: 1,
    to: 20,
    limit: 50,
    newestFirst: false,
    moreBeyond: false,
  } as const;
  const requests = [await ask(client, rig, 1), await ask(client, rig, 2), await ask(client, rig, 3)];
  rig.answer(requests[0]!, page(20, 10_000));
  rig.answer(requests[1]!, grant);
  client.send({ t: 'conversations', id: 4 });
  rig.answer(requests[2]!, page(1));
  await rig.settle();
  assert.ok(client.socket.bufferedBytes() < 256 * 1024);
  assert.equal(reads, 0);
  assert.equal(client.session.pages?.length, 3);
  client.socket.unstick();
  await rig.settle();
  assert.deepEqual(
    client.received.map((frame) => 'id' in frame && frame.id),
    [1, 2, 4, 3],
  );
  assert.equal(reads, 1);
  assert.equal(client.session.openReads, 0);
  assert.equal(client.session.pages, undefined);
});

test('large pages of one turn do not pile up on a socket', async () => {
  const rig = new Rig();
  const client = await rig.join('ann', 'd1', 'json');
  client.socket.isStuck = true;
  for (let id = 1; id <= 4; id++) rig.answer(await ask(client, rig, id), page(25, 10_000));
  for (let i = 1; i <= 4; i++) {
    await rig.settle();
    assert.ok(client.socket.bufferedBytes() < 300 * 1024, `${client.socket.bufferedBytes()} bytes`);
    client.socket.unstick();
    client.socket.isStuck = i < 4;
  }
  await rig.settle();
  assert.equal(client.all('page').length, 4);
  assert.equal(client.closeCode(), undefined);
});

test('a session that leaves while its page is read leaves nothing behind', async () => {
  const rig = new Rig();
  await fill(rig, 5);
  const client = await rig.join('ann');
  const grant = {
    t: 'grant',
    head: 5,
    from: 1,
    to: 5,
    limit: 9,
    newestFirst: false,
    moreBeyond: false,
  } as const;
  rig.answer(await ask(client, rig, 1), grant);
  client.socket.hangUp(1001);
  await rig.settle();
  assert.deepEqual(client.received, []);
  assert.deepEqual(rig.logged, []);
  const drained = rig.edge.drain(1_000); // nothing is waited for
  await rig.settle();
  await drained;
});
