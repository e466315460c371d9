import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClusterStore, Conditional, OwnerRow } from '../../../src/core/cluster-ports.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { beatOf, leaseRow, logRow, logRows } from '../../contract/cluster-tables.fixtures.ts';
import { ALL } from '../../contract/store-fixtures.ts';
import { NodeSystem } from '../../sim/node-system.ts';
import { SimStore } from '../../sim/store/sim-store.ts';
import { calm, type StoreWeather } from '../../sim/store/weather.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { Dice } from '../peer/rough-bus.ts';

const CONV = '6b1f0e52-0000-4000-8000-000000000001';
const NODE = '6b1f0e52-0000-4000-8000-00000000000a';
const OTHER = '6b1f0e52-0000-4000-8000-00000000000b';

/** A store under a weather, with two processes. */
class World {
  readonly system: VirtualSystem;
  readonly dice: Dice;
  readonly store: SimStore;
  readonly weather: StoreWeather;
  readonly ann: ClusterStore;
  readonly bob: ClusterStore;

  constructor(seed: number, weather: Partial<StoreWeather> = {}) {
    this.system = new VirtualSystem(seed);
    this.dice = new Dice(seed);
    this.weather = calm(weather);
    this.store = new SimStore(this.system, this.dice, this.weather);
    this.ann = this.store.client('ann', this.system);
    this.bob = this.store.client('bob', this.system);
  }

  /** What a request comes to; time passes until it has. */
  async of<T>(request: Promise<T>): Promise<T | 'rejected'> {
    let result: { readonly value: T | 'rejected' } | undefined;
    request.then(
      (value) => (result = { value }),
      (error: unknown) => {
        assert.ok(error instanceof StoreUnavailable);
        result = { value: 'rejected' };
      },
    );
    const start = this.system.monotonic();
    for (let ms = 0; result === undefined; ms = this.system.monotonic() - start) {
      assert.ok(ms < 6_000, 'a request is answered, whatever happens');
      await this.system.advance(ms < 50 ? 1 : 50);
    }
    return result.value;
  }

  /** Rows of seqs 1 to 9. */
  async rows(by = this.bob): Promise<readonly StoredRow[]> {
    const range = await this.of(by.log.rows(CONV, 1, 9, ALL));
    assert.notEqual(range, 'rejected');
    return (range as Exclude<typeof range, 'rejected'>).rows;
  }

  /** Which replicas have how many rows. */
  spread(): number[] {
    return this.store.rowsOf(CONV).map((rows) => rows.length);
  }

  clear(): void {
    Object.assign(this.weather, calm({ hintShare: 0 }));
  }
}

async function overSeeds(count: number, run: (seed: number) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= count; seed++) await run(seed);
}

test('a read of one replica can miss what is written; a read of a quorum never does', async () => {
  const missed = { one: 0, quorum: 0 };
  for (const consistency of ['one', 'quorum'] as const) {
    await overSeeds(80, async (seed) => {
      const world = new World(seed, { delayMsMax: 20, lossPerReplica: 0.2, hintShare: 0.5 });
      world.store.readConsistency = consistency;
      if ((await world.of(world.ann.log.write(CONV, logRows(CONV, 1, 3)))) !== 'written') return;
      world.weather.lossPerReplica = 0;
      if ((await world.rows()).length < 3) missed[consistency]++;
    });
  }
  assert.equal(missed.quorum, 0);
  assert.ok(missed.one >= 5, `${missed.one} stale reads`);
});

test('a write on one replica alone is seen by some quorum reads; by all, once one has seen it', async () => {
  const firstSight: number[] = [];
  await overSeeds(120, async (seed) => {
    const world = new World(seed, { timeoutShare: 1, hintShare: 0 });
    assert.equal(await world.of(world.ann.log.write(CONV, logRows(CONV, 1, 2))), 'unknown');
    if (world.spread().filter((rows) => rows > 0).length !== 1) return;
    world.clear();
    let seen = 0;
    for (let i = 1; i <= 12; i++) {
      const { length } = await world.rows();
      if (seen === 0 && length === 0) continue;
      assert.equal(length, 2, 'what one read saw, the next does');
      if (seen === 0) {
        seen = i;
        assert.equal(world.store.quorumTruth(CONV).length, 2, 'repaired before it was answered');
      }
    }
    firstSight.push(seen);
  });
  assert.ok(firstSight.length >= 10);
  assert.ok(firstSight.includes(1) && firstSight.some((at) => at > 1), firstSight.join());
});

test('without read repair what one read saw the next may miss; a late one comes behind the answer', async () => {
  const spreads = { none: new Set<number>(), late: new Set<number>() };
  let unseen = 0;
  for (const readRepair of ['none', 'late'] as const) {
    await overSeeds(60, async (seed) => {
      const world = new World(seed, { lossPerReplica: 0.6, hintShare: 0 });
      await world.of(world.ann.log.write(CONV, logRows(CONV, 1, 2)));
      if (world.spread().filter((rows) => rows > 0).length !== 1) return;
      world.clear();
      Object.assign(world.weather, { readRepair, delayMsMax: 5 });
      const seen: number[] = [];
      for (let i = 0; i < 6; i++) seen.push((await world.rows()).length);
      if (readRepair === 'none' && seen.lastIndexOf(0) > seen.indexOf(2) && seen.includes(2)) unseen++;
      await world.system.advance(100);
      spreads[readRepair].add(world.spread().filter((rows) => rows > 0).length);
    });
  }
  assert.ok(unseen > 0, 'seen, and then not');
  assert.deepEqual([...spreads.none], [1]);
  assert.ok(spreads.late.size > 0 && Math.min(...spreads.late) >= 2, [...spreads.late].join());
});

test('a write that timed out is nowhere, on a minority, everywhere, or comes later; whole on each replica', async () => {
  const seen = new Set<string>();
  await overSeeds(150, async (seed) => {
    const world = new World(seed, { timeoutShare: 1, delayMsMax: 5, hintShare: 0.3, lateMsMax: 8_000 });
    const batch = logRows(CONV, 1, 3);
    assert.equal(await world.of(world.ann.log.write(CONV, batch)), 'unknown');
    const count = (): number => {
      const spread = world.spread();
      assert.ok(
        spread.every((rows) => rows === 0 || rows === 3),
        spread.join(),
      );
      return spread.filter((rows) => rows === 3).length;
    };
    await world.system.advance(10);
    const now = count();
    await world.system.advance(60_000);
    seen.add(`${now} then ${count()}`);
  });
  for (const each of ['0 then 0', '0 then 3', '1 then 1', '3 then 3', '1 then 2'])
    assert.ok(seen.has(each), `${each} is not among ${[...seen].sort().join(', ')}`);
});

test('without a majority a write is unavailable, and then never applied, or unknown', async () => {
  const outcomes = new Map<string, number>();
  await overSeeds(60, async (seed) => {
    const world = new World(seed, { delayMsMax: 5, hintShare: 1, replicasDown: new Set([0, 2]) });
    const outcome = await world.of(world.ann.log.write(CONV, logRows(CONV, 1, 1)));
    const changed = await world.of(world.ann.leases.insertOwner(CONV, NODE));
    assert.equal(await world.of(world.ann.log.floor(CONV)), 'rejected');
    assert.equal(await world.of(world.ann.leases.node(NODE)), 'rejected');
    world.weather.replicasDown.clear();
    await world.system.advance(60_000);
    const { length } = await world.rows();
    outcomes.set(`${outcome} ${length}`, (outcomes.get(`${outcome} ${length}`) ?? 0) + 1);
    assert.ok(changed !== 'rejected' && ['unavailable', 'unknown'].includes(changed.t));
    if (changed.t === 'unavailable') assert.equal(world.store.ownerRow(CONV), undefined);
  });
  assert.deepEqual([...outcomes.keys()].sort(), ['unavailable 0', 'unknown 1']);
});

test('of equal timestamps the larger value stays, on every replica', async () => {
  const world = new World(3, { delayMsMax: 30 });
  const [low, high] = [1, 2].map((byte) =>
    logRow({ conv: CONV, seq: 1, body: new Uint8Array(9).fill(byte), cmid: NODE }),
  );
  assert.ok(low && high);
  const winner = Buffer.compare(low.env, high.env) > 0 ? low : high;
  const writes = [high, low, high, low].map((row) => world.ann.log.write(CONV, [row]));
  for (const write of writes) assert.equal(await world.of(write), 'written');
  await world.system.advance(100);
  for (const rows of world.store.rowsOf(CONV)) assert.deepEqual(rows[0]?.env, winner.env);
  await world.of(world.ann.log.writeFloor(CONV, { fence: 2, start: 9 }));
  await world.of(world.bob.log.writeFloor(CONV, { fence: 1, start: 12 }));
  assert.deepEqual(await world.of(world.ann.log.floor(CONV)), { fence: 2, start: 9 });
});

test('a conditional write of unknown outcome: completed by the next serial read, never, or late', async () => {
  const seen = new Set<string>();
  await overSeeds(200, async (seed) => {
    const world = new World(seed, { lwtUnknownShare: 1, delayMsMax: 3, lateMsMax: 20_000 });
    const row = leaseRow(NODE);
    assert.deepEqual(await world.of(world.ann.leases.insertNode(row)), { t: 'unknown' });
    await world.system.advance(10);
    world.weather.lwtUnknownShare = 0;
    const plainBefore = await world.of(world.bob.leases.barrier(NODE));
    const serial = await world.of(world.bob.leases.node(NODE));
    const plainAfter = await world.of(world.bob.leases.barrier(NODE));
    assert.deepEqual(plainAfter, serial, 'what a serial read saw is committed at a quorum');
    if (plainBefore !== undefined) assert.deepEqual(serial, row);
    await world.system.advance(60_000);
    const last = await world.of(world.bob.leases.node(NODE));
    seen.add([plainBefore, serial, last].map((each) => (each === undefined ? '-' : 'row')).join(' '));
  });
  const expected = ['- - -', '- - row', '- row row', 'row row row'];
  assert.deepEqual([...seen].sort(), expected, 'before; by the next serial read; in the end');
});

test('an uncommitted proposal is seen by no plain read, however long nobody asks for it serially', async () => {
  let uncommitted = 0;
  await overSeeds(60, async (seed) => {
    const world = new World(seed, { lwtUnknownShare: 1, lateMsMax: 1_000 });
    await world.of(world.ann.leases.insertNode(leaseRow(NODE)));
    await world.system.advance(30_000);
    if (world.store.leaseRows().length === 0) return;
    const nodes = await world.of(world.bob.leases.nodes());
    if (nodes.length > 0) return;
    uncommitted++;
    await world.system.advance(30_000);
    assert.deepEqual(await world.of(world.bob.leases.nodes()), []);
    assert.notEqual(await world.of(world.bob.leases.node(NODE)), undefined);
    assert.equal((await world.of(world.bob.leases.nodes())).length, 1);
  });
  assert.ok(uncommitted >= 5, `${uncommitted} uncommitted`);
});

test('a death that is applied is missed by no barrier, unless it was committed at one replica', async () => {
  const missed = { one: 0, quorum: 0 };
  let kills = 0;
  for (const consistency of ['quorum', 'one'] as const) {
    await overSeeds(150, async (seed) => {
      const world = new World(seed, { delayMsMax: 10, lossPerReplica: 0.05, slowShare: 0.1, slowMs: 200 });
      world.store.commitConsistency = consistency;
      await world.of(world.ann.leases.insertNode(leaseRow(NODE)));
      await world.of(world.ann.leases.heartbeat(NODE, 1, beatOf({ dirtyFrom: 3 })));
      const killed = await world.of(world.bob.leases.markDead(NODE, 1));
      if (killed === 'rejected' || killed.t !== 'applied') return;
      kills++;
      const row = await world.of(world.ann.leases.barrier(NODE));
      if (row !== 'rejected' && row?.state !== 'dead') missed[consistency]++;
    });
  }
  assert.equal(missed.quorum, 0);
  assert.ok(missed.one >= 5, `${missed.one} missed of about ${kills / 2}`);
});

test('rounds of one row stand in one line, whatever the weather', async () => {
  const told = new Map<string, number>();
  await overSeeds(60, async (seed) => {
    const world = new World(seed, {
      delayMsMax: 20,
      slowShare: 0.05,
      slowMs: 2_000,
      lossPerReplica: 0.1,
      timeoutShare: 0.1,
      lwtUnknownShare: 0.3,
      lateMsMax: 3_000,
    });
    const chosen: OwnerRow[] = [];
    world.store.onLwt(({ what, row }) => {
      if (what === 'chosen') chosen.push(row as OwnerRow);
    });
    const answers: { readonly to: string; readonly fence: number; readonly answer: Conditional<OwnerRow> }[] =
      [];
    const claimer = async (name: string): Promise<void> => {
      const { leases } = world.store.client(name, world.system);
      await leases.insertOwner(CONV, name);
      for (let i = 0; i < 8; i++) {
        const since = chosen.length;
        const row = await leases.owner(CONV).catch(() => undefined);
        if (row === undefined) continue;
        assert.ok(row.fence >= since, `a serial read of fence ${row.fence} after ${since} were chosen`);
        const answer = await leases.claim(CONV, row.owner, row.fence, `${name} ${i}`);
        answers.push({ to: `${name} ${i}`, fence: row.fence + 1, answer });
      }
    };
    await Promise.all([...['ann', 'bob', 'cy'].map(claimer), world.system.advance(150_000)]);
    assert.deepEqual(
      chosen.map(({ fence }) => fence),
      chosen.map((_, i) => i + 1),
    );
    assert.deepEqual(world.store.ownerRow(CONV), chosen.at(-1));
    for (const { to, fence, answer } of answers) {
      const won = chosen[fence - 1]?.owner === to;
      told.set(`${answer.t} ${won}`, (told.get(`${answer.t} ${won}`) ?? 0) + 1);
    }
  });
  for (const each of ['applied true', 'notApplied false', 'unknown true', 'unknown false'])
    assert.ok((told.get(each) ?? 0) > 20, `${each}: ${JSON.stringify([...told])}`);
  assert.deepEqual([told.get('applied false'), told.get('notApplied true')], [undefined, undefined]);
  assert.equal(told.get('unavailable true'), undefined);
});

test('a client that is cut off reaches nobody, and hears of nothing; what it asked for may come late', async () => {
  const seen = new Set<string>();
  await overSeeds(60, async (seed) => {
    const cut = new Set<string>();
    const world = new World(seed, { delayMsMax: 10, cutFrom: (name) => cut.has(name), lateMsMax: 5_000 });
    const before = world.ann.log.writeFloor(CONV, { fence: 1, start: 1 });
    cut.add('ann');
    const during = world.ann.log.write(CONV, logRows(CONV, 1, 1));
    const lwt = world.ann.leases.insertOwner(CONV, NODE);
    assert.equal(await world.of(before), 'unknown');
    assert.equal(await world.of(during), 'unknown');
    assert.deepEqual(await world.of(lwt), { t: 'unknown' });
    assert.equal(await world.of(world.ann.log.floor(CONV)), 'rejected');
    assert.equal(await world.of(world.ann.leases.node(NODE)), 'rejected');
    assert.deepEqual(await world.of(world.bob.log.floor(CONV)), { fence: 1, start: 1 });
    assert.deepEqual(world.spread(), [0, 0, 0]);
    cut.clear();
    await world.system.advance(20_000);
    const owned = (await world.of(world.bob.leases.owner(CONV))) !== undefined;
    seen.add(`${(await world.rows()).length} ${owned}`);
  });
  assert.deepEqual([...seen].sort(), ['0 false', '0 true', '1 false', '1 true']);
});

test('what a process asked for happens, whatever becomes of the process', async () => {
  const world = new World(1, { delayMsMax: 10 });
  const [killed, paused] = [new NodeSystem(world.system), new NodeSystem(world.system)];
  const answers: string[] = [];
  const write = (name: string, system: NodeSystem, seq: number): void => {
    const { log } = world.store.client(name, system);
    void log.write(CONV, logRows(CONV, seq, seq)).then((outcome) => answers.push(`${name} ${outcome}`));
  };
  write('killed', killed, 1);
  write('paused', paused, 2);
  killed.kill();
  paused.pause();
  await world.system.advance(5_000);
  assert.deepEqual(answers, []);
  assert.equal((await world.rows()).length, 2);
  paused.wake();
  await world.system.advance(1);
  assert.deepEqual(answers, ['paused written']);
});

test('one seed has one course', async () => {
  const [first, again, other] = [await trace(7), await trace(7), await trace(8)];
  assert.ok(first.length > 100);
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
});

/** All that is told of a busy minute. */
async function trace(seed: number): Promise<string[]> {
  const world = new World(seed, {
    delayMsMax: 20,
    slowShare: 0.1,
    slowMs: 3_000,
    lossPerReplica: 0.1,
    timeoutShare: 0.1,
    lwtUnknownShare: 0.2,
    lateMsMax: 4_000,
  });
  const lines: string[] = [];
  world.store.onWrite(({ at, client, operation, outcome }) =>
    lines.push(`${at} ${client} ${operation} ${outcome}`),
  );
  world.store.onLwt(({ at, client, operation, what, row }) =>
    lines.push(`${at} ${client} ${operation} ${what} ${JSON.stringify(row)}`),
  );
  const busy = async (name: string): Promise<void> => {
    const { leases, log } = world.store.client(name, world.system);
    await leases.insertNode(leaseRow(name));
    for (let hb = 1; hb <= 20; hb++) {
      await leases.heartbeat(name, hb, beatOf());
      await log.write(CONV, [logRow({ conv: CONV, seq: hb, cmid: NODE, ts: hb })]);
      const nodes = await leases.nodes().catch(() => []);
      const range = await log.rows(CONV, 1, 99, ALL).catch(() => undefined);
      lines.push(`${name} ${nodes.map((row) => `${row.node} ${row.hb}`).join()} ${range?.rows.length}`);
    }
  };
  await Promise.all([busy(NODE), busy(OTHER), world.system.advance(120_000)]);
  world.weather.replicasDown.add(1);
  lines.push(world.spread().join(), JSON.stringify(world.store.leaseRows()));
  return lines;
}
