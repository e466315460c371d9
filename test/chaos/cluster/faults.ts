import type { ErrorCode } from '../../../src/core/errors.ts';
import type { RingNode } from '../../../src/core/ring-control.ts';
import { tellRedis } from '../../services/redis.ts';
import type { NodeProcess } from '../../services/stack.ts';
import { sleep } from '../../support/server-process.ts';
import { changeRing, idOf, untilRing } from './ring.ts';
import type { Scene } from './scene.ts';
import { setLinks, type Side, slowLinks } from './site.ts';

/** What a fault strikes: two that strike the same are not played at once. */
type Target = 'sequencer' | 'edge' | 'ring' | 'store' | 'bus' | 'redis';

export interface ClusterFault {
  readonly name: string;
  /** For people. */
  readonly what: string;
  readonly targets: readonly Target[];
  /** It is played alone. */
  readonly alone?: true;
  /** It needs three of them. */
  readonly needs?: 'store' | 'bus';
  /** About how long it takes, recovery included. */
  readonly seconds: number;
  /** Codes that people may see. */
  readonly errors: readonly ErrorCode[];
  /** Whether connections may end. */
  readonly closes?: true;
  play(scene: Scene): Promise<void>;
}

/** Retryable; what becomes of the send shows when the client tries again. */
export const AWAY = ['unavailable', 'timed_out_unknown', 'overloaded'] as const;
const STOP_MS = 10_000;
const CUT_MS = 12_000;
const OUTAGE_MS = 20_000;
const SHORT_MS = 6_000;
const SLOW_MS = [20, 50, 100] as const;
const CLOCK_SECONDS = [3_600, -3_600, 86_400, -60] as const;
const MOVE_MS_MAX = 90_000;
const BACK_MS_MAX = 60_000;
const LOOK_MS = 500;

/** Probes what a sequencer owns, right after it is struck. */
async function strike(scene: Scene, how: () => void | Promise<void>): Promise<string | undefined> {
  const { process } = scene.sequencer;
  const id = await idOf(process);
  const owned = await scene.stage.store.ownedBy(id);
  await how();
  scene.probe(owned, scene.measures.firstAcks);
  scene.note(`${process.name} owned ${owned.size} conversations`);
  return id;
}

async function cut(scene: Scene, sides: readonly Side[]): Promise<void> {
  const node = scene.sequencer;
  const id = await strike(scene, () => setLinks(node, sides, false));
  await sleep(CUT_MS);
  await setLinks(node, sides, true);
  await scene.probed();
  await scene.termEnds(node, id);
}

function nodeIs(id: string, holds: (node: RingNode) => boolean) {
  return (nodes: readonly RingNode[]): boolean => nodes.some((each) => each.node === id && holds(each));
}

/** Nothing is on its way any more, and so many nodes share it. */
export function settledRing(count: number) {
  return (nodes: readonly RingNode[]): boolean => {
    const living = nodes.filter(({ state }) => state !== 'dead');
    return living.length === count && living.every(({ state, moving }) => state === 'live' && moving === 0);
  };
}

const isDrained = ({ state, owned }: RingNode): boolean => state === 'draining' && owned === 0;

async function drain(scene: Scene): Promise<void> {
  const { site } = scene.stage;
  const id = await idOf(scene.sequencer.process);
  if (id === undefined) throw new Error(`${scene.sequencer.process.name} has no id`);
  try {
    await scene.moves(async () => {
      await changeRing(site, 'drain', id);
      const ms = await untilRing(site, 'the node is drained', MOVE_MS_MAX, nodeIs(id, isDrained));
      scene.note(`drained in ${(ms / 1_000).toFixed(1)} s`);
    });
  } finally {
    await scene.moves(() => undrain(scene, id)); // a drain that failed is not to spoil the next scene
  }
}

async function undrain(scene: Scene, id: string): Promise<void> {
  const { site } = scene.stage;
  await changeRing(site, 'undrain', id);
  await untilRing(
    site,
    'the node is back',
    MOVE_MS_MAX,
    nodeIs(id, ({ state }) => state === 'live'),
  );
  await scene.gathers(id);
}

async function join(scene: Scene): Promise<void> {
  const { site } = scene.stage;
  const { sequencers } = site.size;
  const node = site.sequencers[sequencers] ?? (await site.addSequencer());
  try {
    await node.process.start(); // which is no part of the move
    await scene.moves(async () => {
      await scene.gathers(await idOf(node.process));
      await untilRing(site, 'it has joined', MOVE_MS_MAX, settledRing(sequencers + 1));
    });
    const id = await idOf(node.process);
    if (id === undefined) throw new Error(`${node.process.name} has no id`);
    const { size } = await scene.stage.store.ownedBy(id);
    scene.note(`${size} of ${scene.stage.talks.length} conversations went to the node added`);
    await scene.moves(async () => {
      await changeRing(site, 'drain', id);
      await untilRing(site, 'it is drained', MOVE_MS_MAX, nodeIs(id, isDrained));
    });
  } finally {
    const code = await node.process.stop(); // a join that failed is not to spoil the next scene
    if (code !== 0) scene.find(`${node.process.name} ended with ${code} after its drain`);
  }
}

async function restartAll(scene: Scene): Promise<void> {
  const { site } = scene.stage;
  for (const { process } of site.sequencers.slice(0, site.size.sequencers)) {
    const code = await process.stop();
    if (code !== 0) scene.find(`${process.name} ended with ${code} after SIGTERM`);
    await process.start();
    await untilRing(site, 'the ring is whole', BACK_MS_MAX, settledRing(site.size.sequencers));
  }
}

/** Of a node that may be too busy to say it at once. */
async function idInTheEnd(process: NodeProcess): Promise<string | undefined> {
  for (let left = BACK_MS_MAX; left > 0; left -= LOOK_MS) {
    const id = await idOf(process);
    if (id !== undefined) return id;
    await sleep(LOOK_MS);
  }
  return undefined;
}

/** Something that all need goes, and comes back: nobody may die of it, and what waited goes on. */
async function outage(scene: Scene, begin: () => Promise<void>, end: () => Promise<number>): Promise<void> {
  const { site, store, talks } = scene.stage;
  // Whoever was struck before is to be buried before: it may have owned nothing that was waited for.
  await untilRing(site, 'all is well', MOVE_MS_MAX, settledRing(site.size.sequencers));
  const ids = async (): Promise<string> =>
    (
      await Promise.all(
        site.sequencers.slice(0, site.size.sequencers).map(({ process }) => idInTheEnd(process)),
      )
    ).join();
  const [idsBefore, deadBefore] = [await ids(), await store.deadTerms()];
  await begin();
  await sleep(OUTAGE_MS / 2);
  let [isEnding, backAt] = [false, Number.NaN];
  const waited: number[] = [];
  // The nodes may be back before the client that shall tell when.
  const since = (): number => (isEnding && Number.isNaN(backAt) ? performance.now() : backAt);
  scene.probe(new Set(talks.map(({ conv }) => conv)), waited, since);
  await sleep(OUTAGE_MS / 2);
  isEnding = true;
  backAt = await end();
  await scene.probed();
  if (waited.some((ms) => Number.isNaN(ms))) scene.find('something was acked during the outage');
  scene.measures.backs.push(...waited.filter((ms) => !Number.isNaN(ms)));
  const dead = (await store.deadTerms()) - deadBefore;
  if (dead > 0 || (await ids()) !== idsBefore)
    scene.find(
      `terms ended in an outage of all: ${dead} nodes were marked dead, ${idsBefore} are ${await ids()}`,
    );
}

async function storeAway(scene: Scene): Promise<void> {
  const { site, store } = scene.stage;
  const tell = (signal: NodeJS.Signals): void => {
    for (const { process } of site.services.cassandra.nodes) process.signal(signal);
  };
  await outage(
    scene,
    async () => tell('SIGSTOP'),
    async () => {
      tell('SIGCONT');
      return store.firstWrite(BACK_MS_MAX);
    },
  );
}

async function busAway(scene: Scene): Promise<void> {
  const { nodes } = scene.stage.site.services.nats;
  await outage(
    scene,
    async () => void (await Promise.all(nodes.map((each) => each.kill()))),
    async () => {
      await Promise.all(nodes.map((each) => each.restart()));
      return performance.now();
    },
  );
}

function one<T>(scene: Scene, all: readonly T[]): T {
  return all[scene.pick % all.length] as T;
}

export const CLUSTER_FAULTS: readonly ClusterFault[] = [
  {
    name: 'kill',
    what: 'a sequencer killed (-9), and started again by its supervisor',
    targets: ['sequencer'],
    seconds: 15,
    errors: AWAY,
    async play(scene) {
      await strike(scene, () => scene.sequencer.process.signal('SIGKILL'));
      await scene.probed();
    },
  },
  {
    name: 'stop',
    what: `a sequencer stopped (SIGSTOP) for ${STOP_MS / 1_000} s, and woken up`,
    targets: ['sequencer'],
    seconds: 18,
    errors: AWAY,
    async play(scene) {
      const node = scene.sequencer;
      const id = await strike(scene, () => node.process.signal('SIGSTOP'));
      await sleep(STOP_MS);
      node.process.signal('SIGCONT');
      await scene.probed();
      await scene.termEnds(node, id);
    },
  },
  {
    name: 'cut-store',
    what: `a sequencer cut from the store for ${CUT_MS / 1_000} s`,
    targets: ['sequencer'],
    seconds: 20,
    errors: AWAY,
    play: (scene) => cut(scene, ['store']),
  },
  {
    name: 'cut-bus',
    what: `a sequencer cut from the bus, and so from its peers, for ${CUT_MS / 1_000} s`,
    targets: ['sequencer'],
    seconds: 20,
    errors: AWAY,
    play: (scene) => cut(scene, ['bus']),
  },
  {
    name: 'cut-both',
    what: `a sequencer cut from store and bus for ${CUT_MS / 1_000} s`,
    targets: ['sequencer'],
    seconds: 20,
    errors: AWAY,
    play: (scene) => cut(scene, ['store', 'bus']),
  },
  {
    name: 'slow',
    what: `all links of a sequencer slowed by ${SLOW_MS.join(', ')} ms each way for ${SHORT_MS / 1_000} s`,
    targets: ['sequencer'],
    seconds: 10,
    errors: AWAY,
    async play(scene) {
      const node = scene.sequencer;
      await slowLinks(node, ['store', 'bus'], one(scene, SLOW_MS));
      await sleep(SHORT_MS);
      await slowLinks(node, ['store', 'bus'], 0);
    },
  },
  {
    name: 'clock',
    what: 'the wall clock of a sequencer jumps by a minute, an hour or a day, ahead or back, and returns',
    targets: ['sequencer'],
    seconds: 16,
    errors: [],
    async play(scene) {
      scene.sequencer.clock?.jump(one(scene, CLOCK_SECONDS));
      await sleep(SHORT_MS);
      scene.sequencer.clock?.jump(0);
      await sleep(SHORT_MS);
    },
  },
  {
    name: 'edge-kill',
    what: 'an edge killed (-9), and started again by its supervisor',
    targets: ['edge'],
    seconds: 10,
    errors: AWAY,
    closes: true,
    async play(scene) {
      scene.edge.process.signal('SIGKILL');
      await sleep(SHORT_MS);
    },
  },
  {
    name: 'edge-cut',
    what: `an edge cut from the bus for ${SHORT_MS / 1_000} s`,
    targets: ['edge'],
    seconds: 12,
    errors: AWAY,
    async play(scene) {
      await setLinks(scene.edge, ['bus'], false);
      await sleep(SHORT_MS);
      await setLinks(scene.edge, ['bus'], true);
    },
  },
  {
    name: 'nats-node',
    what: 'one of three NATS servers killed, and restarted later',
    targets: ['bus'],
    needs: 'bus',
    seconds: 10,
    errors: AWAY,
    async play(scene) {
      const node = one(scene, scene.stage.site.services.nats.nodes);
      await node.kill();
      await sleep(SHORT_MS);
      await node.restart();
    },
  },
  {
    name: 'redis',
    what: 'Redis flushed, then killed, and restarted later',
    targets: ['redis'],
    seconds: 8,
    errors: [],
    async play({ stage }) {
      const { redis } = stage.site.services;
      await tellRedis(redis.url, 'FLUSHALL');
      await sleep(SHORT_MS / 3);
      await redis.kill();
      await sleep(SHORT_MS / 2);
      await redis.restart();
    },
  },
  {
    name: 'replica',
    what: 'one of three store nodes killed, and restarted later',
    targets: ['store'],
    needs: 'store',
    seconds: 40,
    errors: AWAY,
    async play(scene) {
      const node = one(scene, scene.stage.site.services.cassandra.nodes);
      await node.kill();
      await sleep(SHORT_MS);
      await node.restart();
    },
  },
  {
    name: 'store-away',
    what: `the whole store away (SIGSTOP) for ${OUTAGE_MS / 1_000} s`,
    targets: ['store'],
    alone: true,
    seconds: 35,
    errors: AWAY,
    play: storeAway,
  },
  {
    name: 'bus-away',
    what: `all of NATS away (killed) for ${OUTAGE_MS / 1_000} s`,
    targets: ['bus'],
    alone: true,
    seconds: 28,
    errors: AWAY,
    play: busAway,
  },
  {
    name: 'drain',
    what: 'a sequencer drained, and taken into the ring again',
    targets: ['ring', 'sequencer'],
    seconds: 20,
    errors: [],
    play: drain,
  },
  {
    name: 'join',
    what: 'a fourth sequencer added, drained and stopped',
    targets: ['ring', 'sequencer'],
    seconds: 25,
    errors: [],
    play: join,
  },
  {
    name: 'restart-all',
    what: 'all sequencers stopped (SIGTERM) and started, one after the other',
    targets: ['ring', 'sequencer'],
    alone: true,
    seconds: 35,
    errors: AWAY,
    play: restartAll,
  },
];
