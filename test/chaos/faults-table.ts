import { tellRedis } from '../services/redis.ts';
import { sleep } from '../support/server-process.ts';
import type { Fault, FaultContext } from './faults.ts';
import { lastOfAll } from './faults-last.ts';
import { lastOfEachKind } from './faults-last-events.ts';

/** Retryable, and what becomes of the send shows when the client tries again. */
const AWAY = ['unavailable', 'timed_out_unknown'] as const;
/** Of the cluster: CARILLON_LEASE_TIMEOUT_MS. */
const LEASE_MS = 4_000;
/** Starting a process from the sources, on a busy machine. */
const START_MS_MAX = 25_000;
/** A client's first wait before it connects elsewhere, and its sync there. */
const RECONNECT_MS_MAX = 5_000;
/** What a machine of two cores that also runs the load may add to anything. */
const SLACK_MS = 2_000;

const LOSS = 0.05;
const SLOW_MS = 500;

async function hold({ seconds }: FaultContext): Promise<void> {
  await sleep(seconds * 1_000);
}

/** Waits until the node answers /readyz with yes again, and tells how long that took. */
async function ready(context: FaultContext, url: string): Promise<void> {
  const from = performance.now();
  for (;;) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    if (response?.ok === true) break;
    await sleep(50);
  }
  context.note(`ready ${Math.round(performance.now() - from)} ms after it`);
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'nats-restart',
    what: 'NATS killed, and restarted later',
    rig: 'single',
    bounds: { errors: AWAY, completeMsMax: 3_000 + SLACK_MS },
    async run(context) {
      const [nats] = context.rig.services.nats.nodes;
      await nats?.kill();
      await hold(context);
      await nats?.restart();
      await ready(context, context.rig.sequencer.adminUrl);
    },
  },
  {
    name: 'nats-loss',
    what: `NATS loses ${LOSS * 100} % of all messages between the nodes`,
    rig: 'single',
    bounds: { errors: ['unavailable'], deliveryMsMax: 1_500 + SLACK_MS, completeMsMax: 1_500 },
    async run(context) {
      const losses = [...context.rig.bus.values()].map((proxy, i) =>
        proxy.dropFraction(LOSS, /^[en]\./, i + 1),
      );
      await hold(context);
      for (const loss of losses) loss.stop();
      context.note(`${losses.reduce((sum, { dropped }) => sum + dropped, 0)} messages dropped`);
    },
  },
  {
    name: 'nats-last',
    what: 'NATS loses the last message of a conversation, nothing follows it',
    rig: 'single',
    bounds: { completeMsMax: 1_500 },
    run: lastOfAll,
  },
  {
    name: 'nats-last-events',
    what: 'NATS loses the last event of each kind: mention, receipts, reads, pins, settings, presence',
    rig: 'single',
    bounds: { completeMsMax: 1_500 },
    run: lastOfEachKind,
  },
  {
    name: 'redis-restart',
    what: 'Redis killed, and restarted later',
    rig: 'single',
    bounds: { silenceMsMax: SLACK_MS, completeMsMax: SLACK_MS },
    async run(context) {
      const { redis } = context.rig.services;
      await redis.kill();
      await hold(context);
      await redis.restart();
    },
  },
  {
    name: 'redis-flush',
    what: 'Redis flushed, every half second',
    rig: 'single',
    bounds: { silenceMsMax: SLACK_MS, completeMsMax: SLACK_MS },
    async run({ rig, seconds }) {
      for (let i = 0; i < 2 * seconds; i++) {
        await tellRedis(rig.services.redis.url, 'FLUSHALL');
        await sleep(500);
      }
    },
  },
  {
    name: 'store-restart',
    what: 'the only store node killed, and restarted later',
    rig: 'single',
    bounds: { errors: AWAY, completeMsMax: 3_000 + SLACK_MS },
    async run(context) {
      const [node] = context.rig.services.cassandra.nodes;
      await node?.kill();
      await hold(context);
      await node?.restart();
      await ready(context, context.rig.sequencer.adminUrl);
    },
  },
  {
    name: 'store-slow',
    what: `the store slowed by ${SLOW_MS} ms per round trip, under a heavier load`,
    rig: 'single',
    load: { window: 20, pauseMs: 0, bodyChars: 1_000 },
    bounds: { errors: ['overloaded', ...AWAY], completeMsMax: 10_000, memoryGrowthMbMax: 200 },
    async run(context) {
      await context.rig.store?.setDelay(SLOW_MS / 2);
      context.meter.begin();
      await hold(context);
      await context.rig.store?.setDelay(0);
    },
  },
  {
    name: 'edge-kill',
    what: 'an edge killed (-9): its clients go to the other; restarted later',
    rig: 'single',
    bounds: {
      closesMax: 10,
      silenceMsMax: SLACK_MS,
      deliveryMsMax: RECONNECT_MS_MAX,
      completeMsMax: SLACK_MS,
    },
    async run(context) {
      const [edge] = context.rig.edges;
      await edge.kill();
      await hold(context);
      await edge.restart();
    },
  },
  {
    name: 'sequencer-kill',
    what: 'the sequencer killed (-9), and restarted at once',
    rig: 'single',
    bounds: { errors: AWAY, silenceMsMax: LEASE_MS + START_MS_MAX, completeMsMax: 8_000 + SLACK_MS },
    async run(context) {
      await context.rig.sequencer.kill();
      const from = performance.now();
      await context.rig.sequencer.restart();
      context.note(`ready ${Math.round(performance.now() - from)} ms after the kill`);
      await hold(context);
    },
  },
  {
    name: 'sequencer-term',
    what: 'the sequencer stopped (SIGTERM), and restarted at once',
    rig: 'single',
    bounds: { errors: AWAY, silenceMsMax: START_MS_MAX, completeMsMax: 8_000 + SLACK_MS },
    async run(context) {
      const from = performance.now();
      const code = await context.rig.sequencer.stop();
      if (code !== 0) context.find(`the sequencer ended with ${code}`);
      context.note(`ended ${Math.round(performance.now() - from)} ms after the signal`);
      const again = performance.now();
      await context.rig.sequencer.restart();
      context.note(`ready again ${Math.round(performance.now() - again)} ms later`);
      await hold(context);
    },
  },
  {
    name: 'sequencer-pause',
    what: 'the sequencer paused (SIGSTOP) for longer than the lease timeout, and woken up',
    rig: 'single',
    bounds: { errors: AWAY, completeMsMax: 8_000 + SLACK_MS },
    async run(context) {
      context.rig.sequencer.signal('SIGSTOP');
      await sleep(LEASE_MS + 1_000);
      context.rig.sequencer.signal('SIGCONT');
      await hold(context);
    },
  },
  {
    name: 'store-node',
    what: 'one store node of three killed, and restarted later',
    rig: 'triple',
    bounds: { silenceMsMax: 3_000 + SLACK_MS, completeMsMax: 3_000 },
    async run(context) {
      const [node] = context.rig.services.cassandra.nodes;
      await node?.kill();
      await hold(context);
      await node?.restart();
    },
  },
];
