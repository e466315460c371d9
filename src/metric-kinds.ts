import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How the tables of metrics become prom-client's: plain numbers that a scrape copies, and histograms. */

export type Numbers<K extends string> = Record<K, number>;
/** What is measured -> its name in Prometheus and its help. */
export type Names<K extends string> = Readonly<Record<K, readonly [name: string, help: string]>>;
type Labels = Readonly<Record<string, string>>;
/** Numbers of one table, with the labels that tell them from others of the same table. */
export type Source<K extends string> = readonly [labels: Labels, numbers: Readonly<Numbers<K>>];

/** Anything that takes one measured value. */
export interface Measure {
  observe(value: number): void;
}

export const LATENCY_BUCKETS = [
  0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];
export const ROWS_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Values of one label, beyond which the rest are counted as `other`. */
const LABEL_VALUES_MAX = 32;

export function zeros<K extends string>(table: Readonly<Record<K, unknown>>): Numbers<K> {
  const numbers = {} as Numbers<K>;
  for (const [key] of entries(table)) numbers[key] = 0;
  return numbers;
}

/** Counters whose numbers only rise; `sources` is read at each scrape. */
export function counters<K extends string>(
  registry: Registry,
  table: Names<K>,
  sources: Iterable<Source<K>>,
  labelNames: readonly string[] = [],
): void {
  for (const [key, [name, help]] of entries(table)) {
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, numbers] of sources) this.inc(labels, numbers[key]);
      },
    });
  }
}

export function gauges<K extends string>(
  registry: Registry,
  table: Names<K>,
  sources: Iterable<Source<K>>,
  labelNames: readonly string[] = [],
): void {
  for (const [key, [name, help]] of entries(table)) {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [labels, numbers] of sources) this.set(labels, numbers[key]);
      },
    });
  }
}

/** Gauges that are the sums over `sources`, read at each scrape. */
export function sumGauges<K extends string>(
  registry: Registry,
  table: Names<K>,
  sources: readonly Readonly<Numbers<K>>[],
): void {
  for (const [key, [name, help]] of entries(table)) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        let sum = 0;
        for (const numbers of sources) sum += numbers[key];
        this.set(sum);
      },
    });
  }
}

/** One counter with a label whose values are the keys of `numbers`. */
export function labelled(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  numbers: Readonly<Numbers<string>>,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, value] of Object.entries(numbers)) this.inc({ [label]: key }, value);
    },
  });
}

/** Counts by what others call it: names that are not ours to choose, so of a bounded number. */
export function byCode(registry: Registry, name: string, help: string): (code: string) => void {
  const numbers: Numbers<string> = Object.create(null) as Numbers<string>;
  labelled(registry, name, help, 'code', numbers);
  return (code) => {
    const known = code in numbers || Object.keys(numbers).length < LABEL_VALUES_MAX - 1;
    const key = known ? code : 'other';
    numbers[key] = (numbers[key] ?? 0) + 1;
  };
}

export function histogram(registry: Registry, name: string, help: string, buckets: number[]): Measure {
  return new Histogram({ name, help, buckets, registers: [registry] });
}

/** Its children by the label's value, found again without prom-client's hashing of names; the values are few. */
export function labelledHistogram(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  buckets: number[],
): (value: string) => Measure {
  const all = new Histogram({ name, help, labelNames: [label], buckets, registers: [registry] });
  const children = new Map<string, Measure>();
  return (value) => {
    let child = children.get(value);
    if (child === undefined) children.set(value, (child = all.labels(value)));
    return child;
  };
}

function entries<K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(table) as [K, V][];
}
