import type { ErrorCode } from '../../../src/core/errors.ts';
import { ERRORS } from '../../../src/core/errors.ts';
import type { NodeProcess } from '../../services/stack.ts';
import { isReady } from '../../services/service-process.ts';
import { sleep, until } from '../../support/server-process.ts';
import { Meter, type Seen } from '../faults-meter.ts';
import { isClean, type Verdict } from '../history.ts';
import { judge, Load } from '../talks.ts';
import { checkCluster, type StoreVerdict } from './check-store.ts';
import { gather, watcher } from './crowd.ts';
import { AWAY, type ClusterFault, settledRing } from './faults.ts';
import { Findings } from './findings.ts';
import { Guests } from './guests.ts';
import { Observers, Pauses } from './pauses.ts';
import { plan, type PlannedScene, type Stroke } from './plan.ts';
import { untilRing } from './ring.ts';
import { Row, spread } from './rows.ts';
import { type Measures, Scene, type Stage } from './scene.ts';
import type { Site } from './site.ts';
import { StoreClient } from './store-client.ts';

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  /** These faults alone; empty for all. */
  readonly only: readonly string[];
  /** Messages per second that all senders together aim at. */
  readonly rate: number;
  readonly program: 'sources' | 'dist';
  readonly progress: (line: string) => void;
}

export interface ChaosReport {
  readonly options: Pick<ChaosOptions, 'minutes' | 'seed' | 'rate'>;
  readonly rows: readonly Row[];
  readonly verdict: Omit<Verdict, 'examples'>;
  readonly strays: number;
  readonly removals: number;
  readonly store: StoreVerdict;
  readonly seconds: number;
  readonly findings: readonly string[];
}

const CROWD = { users: 24, doubles: 6, conversations: 90 };
const WARM_UP_MS = 5_000;
/** A run of so long has a store that is compiled for it, … */
export const LONG_MINUTES = 10;
/** … and first waits until it is, and has met so many take-overs. */
const LONG_WARM_UP_MS = 45_000;
const LONG_WARM_UP_KILLS = 20;
const WARM_UP_CALM_MS = 2_000;
const BODY_CHARS = 60;
/** One write of the store for several messages: the store is what two cores have least of. */
const BURST = 8;
const PROGRESS_MS = 10_000;
const RECOVER_MS_MAX = 120_000;
const DRAIN_MS_MAX = 120_000;
const FINDINGS_MAX = 200;

/** Plays a seeded plan on a site under load; then all is read back and checked. */
export async function runChaos(site: Site, options: ChaosOptions): Promise<ChaosReport> {
  const { all: findings, add: find } = new Findings(options.progress, FINDINGS_MAX);
  const run = await Run.start(site, options, find);
  try {
    await run.play();
    return await run.judge(findings);
  } finally {
    await run.close();
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #stage: Stage;
  readonly #meter: Meter;
  readonly #guests: Guests;
  readonly #people: Awaited<ReturnType<typeof gather>>['people'];
  readonly #rows = new Map<string, Row>();
  #now = 'calm';
  #startedAt = 0;
  #seconds = 0;

  private constructor(
    options: ChaosOptions,
    stage: Stage,
    meter: Meter,
    guests: Guests,
    people: Awaited<ReturnType<typeof gather>>['people'],
  ) {
    this.#options = options;
    this.#stage = stage;
    this.#meter = meter;
    this.#guests = guests;
    this.#people = people;
  }

  static async start(site: Site, options: ChaosOptions, find: (text: string) => void): Promise<Run> {
    const { progress, rate } = options;
    const store = await StoreClient.connect(site.services, site.stack.keyspace);
    const meter = new Meter(site.processes);
    const pauses = new Pauses();
    const observer = new Observers([meter, pauses]);
    const urls = site.edges.map(({ process }) => process.url);
    const { people, talks, groups } = await gather(urls, CROWD, watcher(meter, find), observer);
    for (const one of people) meter.watch(one);
    const senders = talks.reduce((sum, talk) => sum + talk.senders.length, 0);
    const shape = {
      window: 1,
      burst: BURST,
      pauseMs: (1_000 * BURST * senders) / rate,
      bodyChars: BODY_CHARS,
    };
    const failed = (error: unknown): void => find(`a send failed for good: ${error}`);
    const load = new Load(talks, shape, failed, observer);
    const guests = await Guests.join(urls, groups, find);
    progress(
      `${people.length} clients in ${talks.length} conversations, ${senders} senders, ${rate} messages/s`,
    );
    return new Run(options, { site, store, talks, load, pauses, find, progress }, meter, guests, people);
  }

  async play(): Promise<void> {
    const { minutes, seed, only } = this.#options;
    const { load, site, progress } = this.#stage;
    const isLong = minutes >= LONG_MINUTES;
    this.#startedAt = performance.now();
    load.start();
    this.#guests.start();
    await sleep(isLong ? LONG_WARM_UP_MS : WARM_UP_MS);
    await until('the first acks', DRAIN_MS_MAX, () => load.acked > 0);
    if (isLong) await this.#warmUp();
    this.#startedAt = performance.now();
    const end = this.#startedAt + minutes * 60_000;
    const timer = setInterval(() => this.#tell(end), PROGRESS_MS);
    try {
      for (const scene of plan(seed, site.size, only)) {
        if (performance.now() + estimated(scene) > end) break;
        await this.#scene(scene);
        await this.#calm(scene.calmMs);
      }
      await this.#calm(Math.max(0, end - performance.now()));
    } finally {
      clearInterval(timer);
    }
    this.#seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
    progress(`${load.acked} messages acked; waiting until all is delivered`);
  }

  /** Scenes whose times are not reported, but all that goes wrong in them is. */
  async #warmUp(): Promise<void> {
    const { site, progress } = this.#stage;
    progress(`warming up: ${LONG_WARM_UP_KILLS} kills`);
    const scenes = plan(this.#options.seed, site.size, ['kill']);
    for (let i = 0; i < LONG_WARM_UP_KILLS; i++) {
      await this.#scene(scenes.next().value);
      await this.#calm(WARM_UP_CALM_MS);
    }
    this.#rows.clear();
  }

  async judge(findings: readonly string[]): Promise<ChaosReport> {
    const { load, talks, site, find, progress } = this.#stage;
    load.stop();
    this.#guests.stop();
    this.#meter.rest();
    const allAcked = (): boolean => this.#people.every(({ client }) => client.unacked === 0);
    await until('all sends acked', DRAIN_MS_MAX, allAcked).catch((error: unknown) => find(String(error)));
    progress('reading all back');
    const { examples, ...verdict } = await judge(talks);
    for (const example of examples) find(example);
    if (!isClean({ ...verdict, examples }) && examples.length === 0) find('the history is not clean');
    const strays = this.#guests.strays();
    progress('walking the store');
    const store = await checkCluster(site, progress);
    for (const finding of store.examples) find(`store: ${finding}`);
    if (store.damages > 0 && store.examples.length === 0) find(`the store has ${store.damages} damages`);
    const { minutes, seed, rate } = this.#options;
    return {
      options: { minutes, seed, rate },
      rows: [...this.#rows.values()],
      verdict,
      strays,
      removals: this.#guests.removals,
      store,
      seconds: this.#seconds,
      findings,
    };
  }

  async close(): Promise<void> {
    this.#stage.load.stop();
    this.#guests.close();
    for (const { client } of this.#people) client.close();
    this.#meter.stop();
    await this.#stage.store.close();
  }

  async #scene({ strokes }: PlannedScene): Promise<void> {
    const { find, progress } = this.#stage;
    const names = strokes.map(({ fault }) => fault.name);
    this.#now = names.join(' + ');
    progress(`${this.#clock()} ${this.#now}: ${strokes.map(({ fault }) => fault.what).join('; and ')}`);
    this.#meter.begin();
    const scenes = await Promise.all(strokes.map((stroke) => this.#strike(stroke)));
    await this.#recovered().catch((error: unknown) => find(`after ${this.#now}: ${String(error)}`));
    const { seen } = this.#meter;
    const isPair = strokes.length > 1;
    const row = this.#row(
      isPair ? 'two at once' : names[0],
      isPair ? 'two of these at once' : strokes[0].fault.what,
    );
    row.add(
      seen,
      scenes.map(({ measures }) => measures),
    );
    this.#bound(
      this.#now,
      seen,
      strokes.map(({ fault }) => fault),
    );
    progress(
      `${this.#clock()} over: ${[seenInWords(seen), ...scenes.flatMap(({ measures }) => timesInWords(measures))].join(', ')}`,
    );
    this.#now = 'calm';
  }

  async #strike({ fault, pick, delayMs }: Stroke): Promise<Scene> {
    const scene = new Scene(this.#stage, pick);
    await sleep(delayMs);
    try {
      await fault.play(scene);
    } catch (error) {
      this.#stage.find(
        `${fault.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    return scene;
  }

  /** All nodes are back, hold what the ring gives them, and every conversation takes messages. */
  async #recovered(): Promise<void> {
    const { site, talks } = this.#stage;
    const base = [...site.sequencers.slice(0, site.size.sequencers), ...site.edges].map(
      ({ process }) => process,
    );
    await allReady(base);
    await untilRing(site, 'the ring is whole and at rest', RECOVER_MS_MAX, settledRing(site.size.sequencers));
    const scene = new Scene(this.#stage, 0);
    scene.probe(new Set(talks.map(({ conv }) => conv)), []);
    await scene.probed();
  }

  async #calm(ms: number): Promise<void> {
    if (ms === 0) return;
    this.#meter.begin();
    await sleep(ms);
    const { seen } = this.#meter;
    this.#row('calm', 'nothing, in between').add(seen, []);
    this.#bound('calm', seen, []);
  }

  #row(name: string | undefined, what: string): Row {
    const key = name ?? 'calm';
    let row = this.#rows.get(key);
    if (row === undefined) this.#rows.set(key, (row = new Row(key, what)));
    return row;
  }

  /** What clients saw must be what these faults may cause. */
  #bound(name: string, seen: Seen, faults: readonly ClusterFault[]): void {
    const { find } = this.#stage;
    // In the calm behind a fault, some may still hear of it.
    const allowed = new Set<ErrorCode>(faults.length === 0 ? AWAY : faults.flatMap(({ errors }) => errors));
    for (const [code, count] of Object.entries(seen.errors)) {
      if (allowed.has(code as ErrorCode) && ERRORS[code as ErrorCode].retryable) continue;
      find(`${name}: ${count} errors ${code}, which it must not cause: "${seen.messages[code]}"`);
    }
    if (seen.closes > 0 && !faults.some(({ closes }) => closes === true))
      find(`${name}: ${seen.closes} connections ended`);
  }

  #tell(end: number): void {
    const { load, progress } = this.#stage;
    const left = clock(Math.max(0, end - performance.now()));
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    const { errors } = this.#meter.seen;
    const codes = Object.entries(errors).map(([code, count]) => `, ${code} ${count}`);
    progress(
      `${this.#clock()} ${left} left, ${load.acked} acked (${Math.round(load.acked / seconds)}/s): ${this.#now}${codes.join('')}`,
    );
  }

  #clock(): string {
    return clock(performance.now() - this.#startedAt);
  }
}

async function allReady(nodes: readonly NodeProcess[]): Promise<void> {
  const end = performance.now() + RECOVER_MS_MAX;
  for (const node of nodes) {
    while (!(await isReady(node.adminUrl))) {
      if (performance.now() > end)
        throw new Error(`${node.name} is not ready:\n${node.output.slice(-2_000)}`);
      await sleep(100);
    }
  }
}

function estimated({ strokes }: PlannedScene): number {
  return Math.max(...strokes.map(({ fault, delayMs }) => fault.seconds * 1_000 + delayMs));
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function seenInWords({ errors, closes, silenceMs }: Seen): string {
  const codes = Object.entries(errors).map(([code, count]) => `${code} ${count}`);
  return `errors ${codes.join(', ') || 'none'}, ${closes} connections ended, no ack for ${Math.round(silenceMs)} ms`;
}

function timesInWords({ firstAcks, pauses, backs }: Measures): string[] {
  const times = (what: string, all: readonly number[]): string[] => {
    if (all.length === 0) return [];
    const { count, p50, max } = spread(all);
    return [`${what} ${p50} ms, at most ${max} (${count} conversations)`];
  };
  return [
    ...times('first acks again after', firstAcks),
    ...times('moved with a pause of', pauses),
    ...times('back after', backs),
  ];
}
