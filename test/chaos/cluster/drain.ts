import type { RingNode } from '../../../src/core/ring-control.ts';
import { sleep } from '../../support/server-process.ts';
import type { Seen } from '../faults-meter.ts';
import type { Verdict } from '../history.ts';
import { settledRing } from './faults.ts';
import { Findings } from './findings.ts';
import { type Population, populate } from './population.ts';
import { changeRing, idOf, untilRing } from './ring.ts';
import { Row, spread, type Spread } from './rows.ts';
import { Scene } from './scene.ts';
import type { Site } from './site.ts';

export interface DrainReport {
  readonly conversations: number;
  /** Slowest acks while nothing moves, of the same conversations over the same load: what a pause is seen on top of. */
  readonly before: Spread;
  /** And while the process of the node that is added again starts: on one machine it takes their processor time. */
  readonly starting: Spread;
  readonly rows: readonly Row[];
  readonly verdict: Omit<Verdict, 'examples'>;
  readonly findings: readonly string[];
}

/** Sent to all conversations, and to some of them often enough that a pause is seen. */
const LIGHT_PER_SECOND = 100;
const SAMPLE = 60;
const SAMPLE_PER_SECOND = 300;
const WARM_UP_MS = 8_000;
const BASE_MS = 10_000;
const MOVE_MS_MAX = 300_000;
/** The pause of a hand-over; the nodes count in buckets. */
const PAUSE_MS_MAX = 100;

/** Drains one of three sequencers under load, and adds it again. */
export async function drainScenario(
  site: Site,
  conversations: number,
  progress: (line: string) => void,
): Promise<DrainReport> {
  const { all: findings, add: find } = new Findings(progress);
  const population = await populate(site, conversations, find, progress);
  const { stage } = population;
  const loads = [population.loadOver(stage.talks, LIGHT_PER_SECOND)];
  try {
    const { process } = new Scene(stage, 0).sequencer;
    const id = await idOf(process);
    if (id === undefined) throw new Error(`${process.name} has no id`);
    loads.push(await sampled(population, id));
    for (const load of loads) load.start();
    await sleep(WARM_UP_MS);
    const before = await unmoved(population, 'before', () => sleep(BASE_MS));
    const drained = await moved(population, 'drain', 'a sequencer of three drained', async () => {
      await changeRing(site, 'drain', id);
      await untilRing(site, 'it is drained', MOVE_MS_MAX, isDrained(id));
    });
    const code = await process.stop();
    if (code !== 0) find(`${process.name} ended with ${code} after its drain`);
    stage.progress('it is started');
    const starting = await unmoved(population, 'start', () => process.start());
    const joined = await moved(population, 'join', 'it is added again', async (scene) => {
      await scene.gathers(await idOf(process));
      await untilRing(site, 'it has joined', MOVE_MS_MAX, settledRing(site.size.sequencers));
    });
    for (const row of [drained, joined]) bounds(row, find);
    const verdict = await population.judge(loads);
    return { conversations, before, starting, rows: [drained, joined], verdict, findings };
  } finally {
    for (const load of loads) load.stop();
    await population.close();
  }
}

/** A load over conversations of which half are the node's. */
async function sampled(
  { stage, loadOver }: Population,
  id: string,
): Promise<ReturnType<Population['loadOver']>> {
  const owned = await stage.store.ownedBy(id);
  const its = stage.talks.filter(({ conv }) => owned.has(conv)).slice(0, SAMPLE / 2);
  const others = stage.talks.filter(({ conv }) => !owned.has(conv)).slice(0, SAMPLE / 2);
  return loadOver([...its, ...others], SAMPLE_PER_SECOND);
}

/** The slowest acks of all conversations while nothing moves. */
async function unmoved(
  { stage, meter }: Population,
  name: string,
  work: () => Promise<unknown>,
): Promise<Spread> {
  stage.pauses.begin();
  meter.begin();
  await work();
  check(name, meter.seen, stage.find);
  return spread(stage.pauses.of(stage.talks.map(({ conv }) => conv)));
}

async function moved(
  { stage, meter }: Population,
  name: string,
  what: string,
  work: (scene: Scene) => Promise<void>,
): Promise<Row> {
  stage.progress(what);
  meter.begin();
  const scene = new Scene(stage, 0);
  const from = performance.now();
  await scene.moves(() => work(scene));
  const { seen } = meter;
  stage.progress(
    `    ${scene.measures.moved} of ${stage.talks.length} moved in ${((performance.now() - from) / 1_000).toFixed(1)} s`,
  );
  check(name, seen, stage.find);
  const row = new Row(name, what);
  row.add(seen, [scene.measures]);
  return row;
}

function isDrained(id: string) {
  return (nodes: readonly RingNode[]): boolean =>
    nodes.some(({ node, state, owned }) => node === id && state === 'draining' && owned === 0);
}

/** No client may notice. */
function check(name: string, { errors, messages, closes }: Seen, find: (text: string) => void): void {
  for (const [code, count] of Object.entries(errors))
    find(`${name}: ${count} errors ${code}, of which there may be none: "${messages[code]}"`);
  if (closes > 0) find(`${name}: ${closes} connections ended`);
}

function bounds(row: Row, find: (text: string) => void): void {
  const p99 = row.handoffMs(0.99);
  if (p99 > PAUSE_MS_MAX)
    find(`${row.name}: p99 of the pause of a hand-over is up to ${p99} ms, over ${PAUSE_MS_MAX}`);
  if (row.moved === 0) find(`${row.name}: nothing moved`);
}
