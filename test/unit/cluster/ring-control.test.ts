import assert from 'node:assert/strict';
import test from 'node:test';
import { receiveNodeMail } from '../../../cluster/node-mail.ts';
import { PARTITIONS, Ring, ringNodes } from '../../../cluster/ring.ts';
import { NodeRingControl } from '../../../cluster/ring-control.ts';
import { Watcher } from '../../../cluster/watcher.ts';
import { MemoryBusHub } from '../../../src/adapters/memory/bus.ts';
import { MemoryLeaseTable, type TableFault } from '../../../src/adapters/memory/cluster-tables.ts';
import { type LeaseRow, NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { CONV } from '../actors/requests.ts';
import { SILENT } from '../peer/link-rig.ts';

const [A, B, C] = [1, 2, 3].map((i) => `0000000${i}-0000-7000-8000-000000000000`) as [string, string, string];
const LEASE_MS = 4_000;

/** Nodes a and b, which beat while told to, and the control of node a. */
class World {
  readonly system = new VirtualSystem();
  readonly hub = new MemoryBusHub(this.system);
  fault: (operation: string) => TableFault | undefined = () => undefined;
  readonly leases = new MemoryLeaseTable(this.system, { fault: (operation) => this.fault(operation) });
  readonly watcher = new Watcher(this.leases, LEASE_MS, this.system, SILENT);
  readonly beating = new Map<string, Partial<LeaseRow>>();
  /** What nodes were told. */
  readonly told: string[] = [];
  readonly control: NodeRingControl;
  #ring = new Ring([]);
  #hb = 0;

  constructor(hasSequencer = true) {
    this.control = new NodeRingControl({
      me: () => A,
      leases: this.leases,
      watcher: this.watcher,
      ring: () => this.#ring,
      leaseTimeoutMs: LEASE_MS,
      bus: this.hub.client(),
      ...(hasSequencer ? { drainSelf: (isWanted) => void this.told.push(`self ${isWanted}`) } : {}),
    });
    this.watcher.onLook(() => {
      this.#ring = new Ring(ringNodes(this.watcher.live));
    });
    this.system.every(1_000, () => {
      this.#hb++;
      for (const [node, beat] of this.beating)
        void this.leases.heartbeat(node, this.#hb, { ...NO_BEAT, bus: true, ...beat });
    });
  }

  async start(...nodes: string[]): Promise<void> {
    for (const node of nodes) {
      const row = {
        ...NO_BEAT,
        node,
        state: 'live',
        hb: 0,
        addr: `at ${node[7]}`,
        roles: '',
        walked: false,
      } as const;
      void this.leases.insertNode(row);
      this.beating.set(node, { owned: 10, moving: 2, lag: 1 });
      const listener = {
        offered: () => {},
        released: () => {},
        arrived: () => {},
        show: () => {},
        buried: () => {},
      };
      const drain = (isWanted: boolean): void => void this.told.push(`${node[7]} ${isWanted}`);
      receiveNodeMail(this.hub.client(), node, { ...listener, drain }, SILENT);
    }
    await this.system.settle();
    const starting = this.watcher.start();
    await this.system.advance(1_600);
    await starting;
  }

  async result<T>(operation: Promise<T>): Promise<T> {
    await this.system.settle();
    return operation;
  }

  get shown(): unknown[] {
    return this.control
      .status()
      .nodes.map(({ node, state, owned, moving, lag }) => [node[7], state, owned, moving, lag]);
  }
}

async function world(...nodes: string[]): Promise<World> {
  const made = new World();
  await made.start(...nodes);
  return made;
}

test('status shows every node, how it is, and what it has', async () => {
  const made = await world(A, B);
  const status = made.control.status();
  assert.deepEqual([status.from, status.leaseTimeoutMs, status.partitions], [A, LEASE_MS, PARTITIONS]);
  assert.deepEqual(made.shown, [
    ['1', 'live', 10, 2, 1],
    ['2', 'live', 10, 2, 1],
  ]);
  const [a, b] = status.nodes as [(typeof status.nodes)[0], (typeof status.nodes)[0]];
  assert.equal(a.partitions + b.partitions, PARTITIONS);
  assert.ok(a.partitions > 0 && b.partitions > 0 && a.beatAgeMs < 1_000);
  assert.deepEqual([a.addr, a.walked], ['at 1', false]);
});

test('a draining node is shown behind the live ones, with no partitions', async () => {
  const made = await world(A, B, C);
  made.beating.set(A, { draining: true, owned: 4, moving: 4 });
  await made.system.advance(1_500);
  const { nodes } = made.control.status();
  assert.deepEqual(
    nodes.map(({ node, state, partitions }) => [node[7], state, partitions > 0]),
    [
      ['2', 'live', true],
      ['3', 'live', true],
      ['1', 'draining', false],
    ],
  );
});

test('a node whose heartbeat stands still is silent, then dead once marked, and gone once walked', async () => {
  const made = await world(A, B);
  made.beating.delete(B);
  await made.system.advance(3_000);
  assert.deepEqual(made.shown[1], ['2', 'silent', 10, 2, 1]);
  const row = await made.result(made.leases.node(B));
  await made.result(made.leases.markDead(B, row?.hb ?? -1));
  await made.system.advance(300);
  assert.deepEqual(made.shown[1], ['2', 'dead', 0, 0, 0]);
  await made.result(made.leases.markWalked(B));
  await made.system.advance(300);
  assert.deepEqual(made.shown.length, 1);
});

test('owner tells who owns a conversation and who should', async () => {
  const made = await world(A, B);
  const shouldOwn = new Ring([A, B]).ownerOf(CONV);
  assert.deepEqual(await made.result(made.control.owner(CONV)), {
    conv: CONV,
    owner: undefined,
    fence: 0,
    head: 0,
    shouldOwn,
  });
  await made.result(made.leases.insertOwner(CONV, A));
  await made.result(made.leases.release(CONV, A, 1, B, 12));
  const owner = await made.result(made.control.owner(CONV));
  assert.deepEqual([owner.owner, owner.fence, owner.head], [B, 2, 12]);
  made.fault = (operation) => (operation === 'owner' ? 'unavailable' : undefined);
  const asking = assert.rejects(made.control.owner(CONV), StoreUnavailable);
  await made.system.settle();
  await asking;
});

test('drain and undrain tell the node, over the bus or here', async () => {
  const made = await world(A, B);
  assert.deepEqual(made.control.drain(B), { t: 'done' });
  assert.deepEqual(made.control.drain(A), { t: 'done' });
  assert.deepEqual(made.control.undrain(B), { t: 'done' });
  assert.deepEqual(made.control.undrain(A), { t: 'done' });
  await made.system.settle();
  assert.deepEqual(made.told.sort(), ['2 false', '2 true', 'self false', 'self true']);
});

test('an edge tells every node over the bus', async () => {
  const made = new World(false);
  await made.start(B, C);
  assert.deepEqual(made.control.drain(B), { t: 'done' });
  await made.system.settle();
  assert.deepEqual(made.told, ['2 true']);
});

test('the last node that is not draining may not drain, nor one that is dead or unknown', async () => {
  const made = await world(A, B);
  const refusal = (answer: { t: string; message?: string }): string => `${answer.t}: ${answer.message}`;
  made.beating.set(B, { draining: true });
  await made.system.advance(1_500);
  assert.match(refusal(made.control.drain(A)), /^refused: no other node lives.*start one/);
  assert.match(refusal(made.control.drain(C)), /^refused: there is no node/);
  assert.match(refusal(made.control.undrain(C)), /^refused: there is no node/);
  await made.result(made.leases.markDead(B, (await made.result(made.leases.node(B)))?.hb ?? -1));
  await made.system.advance(300);
  assert.match(refusal(made.control.drain(B)), /^refused: .* is dead/);
  assert.match(refusal(made.control.undrain(B)), /^refused: .* is dead/);
  await made.system.settle();
  assert.deepEqual(made.told, []);
});

test('a node that beats is not forgotten; one that is silent is marked dead at once, then as walked', async () => {
  const made = await world(A, B);
  const forgotten = async (node: string): Promise<string> => (await made.result(made.control.forget(node))).t;
  assert.equal(await forgotten(B), 'refused');
  assert.equal(await forgotten(C), 'refused');
  made.beating.delete(B);
  await made.system.advance(1_500);
  assert.equal(await forgotten(B), 'refused', 'not silent long enough');
  await made.system.advance(1_500);
  assert.equal(await forgotten(B), 'done');
  assert.equal((await made.result(made.leases.node(B)))?.state, 'dead');
  assert.equal(await forgotten(B), 'done');
  assert.equal((await made.result(made.leases.node(B)))?.walked, true);
});

test('a silent node that beats in the very moment stays, and what the store did not answer is not called done', async () => {
  const made = await world(A, B);
  made.beating.delete(B);
  await made.system.advance(3_000);
  await made.result(made.leases.heartbeat(B, 99, NO_BEAT)); // not seen here yet
  assert.equal((await made.result(made.control.forget(B))).t, 'refused');
  assert.equal((await made.result(made.leases.node(B)))?.state, 'live');
  await made.system.advance(3_500);
  for (const fault of ['lost', 'answerLost', 'unavailable'] as const) {
    made.fault = (operation) => (operation === 'markDead' ? fault : undefined);
    assert.equal((await made.result(made.control.forget(B))).t, 'refused', fault);
    if (fault === 'answerLost') break;
  }
  made.fault = () => undefined;
  assert.equal((await made.result(made.leases.node(B)))?.state, 'dead');
});
