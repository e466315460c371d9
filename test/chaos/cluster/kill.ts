import { sleep, until } from '../../support/server-process.ts';
import type { Verdict } from '../history.ts';
import { Findings } from './findings.ts';
import { populate } from './population.ts';
import { idOf } from './ring.ts';
import { spread, type Spread } from './rows.ts';
import { Scene } from './scene.ts';
import type { Site } from './site.ts';

export interface KillReport {
  readonly conversations: number;
  /** Of the node that was killed. */
  readonly owned: number;
  /** From the kill until a message sent right after it was acked. */
  readonly firstAckMs: Spread;
  /** Conditional writes per second of the bare driver on the same store, before. */
  readonly lwtPerSecond: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly closes: number;
  readonly verdict: Omit<Verdict, 'examples'>;
  readonly findings: readonly string[];
}

const LWT_SECONDS = 4;
const LIGHT_PER_SECOND = 50;
const WARM_UP_MS = 5_000;
const LEASE_MS = 4_000;
/** All are served so long after the lease's end, here; see DESIGN section 6. */
const ALL_MS_MAX = LEASE_MS + 10_000;
const SERVED_MS_MAX = 90_000;

/** Kills (-9) a sequencer of three that owns many active conversations; it comes back as a new node. */
export async function killScenario(
  site: Site,
  conversations: number,
  progress: (line: string) => void,
): Promise<KillReport> {
  const { all: findings, add: find } = new Findings(progress);
  const population = await populate(site, conversations, find, progress);
  const { stage, meter } = population;
  const load = population.loadOver(stage.talks, LIGHT_PER_SECOND);
  try {
    const lwtPerSecond = Math.round(await stage.store.lwtRate(LWT_SECONDS));
    progress(`the store takes ${lwtPerSecond} conditional writes per second`);
    load.start();
    await sleep(WARM_UP_MS);
    const scene = new Scene(stage, 0);
    const { process } = scene.sequencer;
    const owned = await stage.store.ownedBy(await idOf(process));
    meter.begin();
    process.signal('SIGKILL');
    const times: number[] = [];
    scene.probe(owned, times);
    progress(`${process.name}, which owned ${owned.size} conversations, is killed`);
    await until('all are served again', SERVED_MS_MAX, () => times.length === owned.size).catch(
      (error: unknown) => find(`${String(error)}: ${times.length} of ${owned.size}`),
    );
    const { errors, closes } = meter.seen;
    const firstAckMs = spread(times);
    if (firstAckMs.max > ALL_MS_MAX)
      find(`the last conversation was served after ${firstAckMs.max} ms, over ${ALL_MS_MAX}`);
    if (closes > 0) find(`${closes} connections ended`);
    const verdict = await population.judge([load]);
    return { conversations, owned: owned.size, firstAckMs, lwtPerSecond, errors, closes, verdict, findings };
  } finally {
    load.stop();
    await population.close();
  }
}
