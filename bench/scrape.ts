/** What servers count of themselves: their /metrics, read before and after. */
import type { ClusterUse, StatementUse, StoreUse, Target } from './plan.ts';

/** A series' name with its labels, as Prometheus writes it -> its value. */
export type Samples = ReadonlyMap<string, number>;

const SERIES = /^([A-Za-z_:][\w:]*(?:\{.*\})?) (\S+)/;
const ANSWERS = 'carillon_scylla_answer_seconds';
const ANSWER_COUNT = /^carillon_scylla_answer_seconds_count\{statement="(\w+)"\}$/;

/** Adds the series of a scrape's text to `samples`. */
export function addSamples(samples: Map<string, number>, text: string): void {
  for (const line of text.split('\n')) {
    const match = SERIES.exec(line);
    if (match === null) continue; // a comment
    const [, series, value] = match as unknown as [string, string, string];
    samples.set(series, (samples.get(series) ?? 0) + Number(value));
  }
}

/** By how much series rose between two scrapes; one that is new rose from 0. */
export class Rise {
  readonly #before: Samples;
  readonly #after: Samples;

  constructor(before: Samples, after: Samples) {
    this.#before = before;
    this.#after = after;
  }

  of(series: string): number {
    return (this.#after.get(series) ?? 0) - (this.#before.get(series) ?? 0);
  }

  /** Of a histogram or a summary; NaN if nothing was observed. */
  mean(name: string, labels = ''): number {
    return this.of(`${name}_sum${labels}`) / this.of(`${name}_count${labels}`);
  }

  /** Of all series of this name, whatever their labels. */
  total(name: string): number {
    let sum = 0;
    for (const series of this.#after.keys())
      if (series === name || series.startsWith(`${name}{`)) sum += this.of(series);
    return sum;
  }

  storeUse(rows: number): StoreUse {
    const statements: Record<string, StatementUse> = {};
    for (const series of this.#after.keys()) {
      const name = ANSWER_COUNT.exec(series)?.[1];
      const requests = this.of(series);
      if (name === undefined || requests === 0) continue;
      const meanMs = this.mean(ANSWERS, `{statement="${name}"}`) * 1_000;
      statements[name] = { requestsPerRow: requests / rows, meanMs };
    }
    return { statements, failures: this.total('carillon_scylla_failures_total') };
  }
}

/** Reads the counters of a cluster's nodes at a start and an end. */
export class ClusterMeter {
  readonly #admin: NonNullable<Target['admin']>;
  readonly #before: { readonly sequencers: Samples; readonly edges: Samples };

  private constructor(admin: NonNullable<Target['admin']>, sequencers: Samples, edges: Samples) {
    this.#admin = admin;
    this.#before = { sequencers, edges };
  }

  static async start(admin: NonNullable<Target['admin']>): Promise<ClusterMeter> {
    return new ClusterMeter(admin, await scrape(admin.sequencers), await scrape(admin.edges));
  }

  async use(): Promise<ClusterUse> {
    const sequencers = new Rise(this.#before.sequencers, await scrape(this.#admin.sequencers));
    const edges = new Rise(this.#before.edges, await scrape(this.#admin.edges));
    const rows = sequencers.of('carillon_append_rows_total');
    const busMessages = 'carillon_nats_messages_out_total';
    return {
      rowsPerBatch: sequencers.mean('carillon_append_batch_rows'),
      appendMs: sequencers.mean('carillon_append_seconds') * 1_000,
      sequencers: sequencers.storeUse(rows),
      edges: edges.storeUse(rows),
      sequencerBusMessagesPerRow: sequencers.of(busMessages) / rows,
      edgeBusMessagesPerRow: edges.of(busMessages) / rows,
    };
  }
}

/** The sums over all nodes. */
async function scrape(urls: readonly string[]): Promise<Samples> {
  const samples = new Map<string, number>();
  for (const url of urls) {
    const response = await fetch(`${url}/metrics`);
    if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}`);
    addSamples(samples, await response.text());
  }
  return samples;
}
