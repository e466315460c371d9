import type { ErrorCode } from '../../src/core/errors.ts';
import { type Person, person } from '../scenarios/people.ts';
import { sleep, until } from '../support/server-process.ts';
import { Meter, type Seen } from './faults-meter.ts';
import { type Rig, type RigName, startRig } from './faults-rig.ts';
import { isClean, newVerdict, type Verdict } from './history.ts';
import { hasAll, judge, Load, type LoadShape, openTalks, type Talk } from './talks.ts';

/** What a fault may show at most; what is not named may not be seen, or is not bounded. */
export interface Bounds {
  /** Codes that people may see; none by default. */
  readonly errors?: readonly ErrorCode[];
  /** Connections that may end; none by default. */
  readonly closesMax?: number;
  readonly silenceMsMax?: number;
  readonly ackMsMax?: number;
  readonly deliveryMsMax?: number;
  /** From the end of the fault until all receivers have all that was acked by then. */
  readonly completeMsMax: number;
  readonly memoryGrowthMbMax?: number;
}

export interface FaultContext {
  readonly rig: Rig;
  readonly people: readonly Person[];
  readonly talks: readonly Talk[];
  readonly load: Load;
  readonly meter: Meter;
  /** How long what lasts is to last. */
  readonly seconds: number;
  /** Until complete, at worst, where the fault measures it itself. */
  completeAfter(ms: number): void;
  /** Something for the row to tell. */
  note(text: string): void;
  /** Something that must not be. */
  find(text: string): void;
}

export interface Fault {
  readonly name: string;
  /** For people. */
  readonly what: string;
  readonly rig: RigName;
  readonly load?: Partial<LoadShape>;
  readonly bounds: Bounds;
  /** Breaks something under load, and mends it. */
  run(context: FaultContext): Promise<void>;
}

export interface Row extends Seen, Omit<Verdict, 'examples'> {
  readonly fault: string;
  readonly what: string;
  readonly seconds: number;
  readonly completeMs: number;
  readonly notes: readonly string[];
  /** Why it is not clean; empty if it is. */
  readonly findings: readonly string[];
}

const USERS = 20;
const CONVERSATIONS = 40;
const LOAD: LoadShape = { window: 2, pauseMs: 400, bodyChars: 200 };
const BEFORE_MS = 2_000;
const AFTER_MS = 2_000;
const COMPLETE_MS_MAX = 60_000;
const DRAIN_MS_MAX = 90_000;

export interface RunOptions {
  readonly seconds: number;
  /** What the nodes run from. */
  readonly program: 'sources' | 'dist';
  readonly progress: (line: string) => void;
  /** Called with each rig before its faults. */
  readonly started?: (rig: Rig) => Promise<void>;
}

/** Runs faults in their order; those that follow one another on the same kind of rig share it. */
export async function runFaults(faults: readonly Fault[], options: RunOptions): Promise<Row[]> {
  const { seconds, program, progress, started } = options;
  const rows: Row[] = [];
  let rig: Rig | undefined;
  let rigName: RigName | undefined;
  try {
    for (const fault of faults) {
      if (rig === undefined || rigName !== fault.rig) {
        await rig?.stop();
        rig = undefined;
        rig = await startRig((rigName = fault.rig), program, progress);
        await started?.(rig);
      }
      progress(`${fault.name}: ${fault.what}`);
      const row = await runFault(fault, rig, seconds).catch((error: unknown) =>
        brokenRow(fault, seconds, error),
      );
      rows.push(row);
      for (const text of row.notes) progress(`  ${text}`);
      for (const text of row.findings) progress(`  FOUND ${text}`);
      if (row.findings.length === 0) continue;
      await rig.stop(); // whatever state it is in, the next fault shall not suffer
      rig = undefined;
    }
  } finally {
    await rig?.stop();
  }
  return rows;
}

/** Of a fault that could not be run to its end. */
function brokenRow({ name, what }: Fault, seconds: number, error: unknown): Row {
  const { examples: _, ...verdict } = newVerdict();
  const times = { silenceMs: 0, ackMs: 0, deliveryMs: 0, completeMs: 0 };
  const nothing = { errors: {}, messages: {}, closes: 0, memoryMb: 0, memoryGrowthMb: 0, notes: [] };
  const findings = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  return { fault: name, what, seconds, ...verdict, ...times, ...nothing, findings };
}

/** Runs one fault under load, over people and conversations of its own, and checks all that was seen. */
export async function runFault(fault: Fault, rig: Rig, seconds: number): Promise<Row> {
  const notes: string[] = [];
  const findings: string[] = [];
  const meter = new Meter(rig.nodes);
  const people = await gather(rig, fault.name, meter);
  try {
    const talks = await openTalks(people, CONVERSATIONS, meter);
    const failed = (error: unknown): void => void findings.push(`a send failed for good: ${error}`);
    const load = new Load(talks, { ...LOAD, ...fault.load }, failed, meter);
    load.start();
    await sleep(BEFORE_MS);
    meter.begin();
    let measuredMs = 0;
    await fault.run({
      rig,
      people,
      talks,
      load,
      meter,
      seconds,
      completeAfter: (ms) => void (measuredMs = Math.max(measuredMs, ms)),
      note: (text) => void notes.push(text),
      find: (text) => void findings.push(text),
    });
    const completeMs = Math.max(measuredMs, await completed(talks));
    load.stop();
    meter.rest();
    await until('all sends acked', DRAIN_MS_MAX, () => people.every(({ client }) => client.unacked === 0));
    const { examples, ...verdict } = await judge(talks);
    const { seen } = meter;
    findings.push(...examples, ...beyond(fault.bounds, { ...seen, completeMs }));
    if (!isClean({ ...verdict, examples }) && examples.length === 0)
      findings.push('the history is not clean');
    const { name, what } = fault;
    return { fault: name, what, seconds, ...verdict, ...seen, completeMs, notes, findings };
  } finally {
    for (const { client } of people) client.close();
    meter.stop();
  }
}

async function gather(rig: Rig, name: string, meter: Meter): Promise<Person[]> {
  const urls = rig.edges.map((edge) => edge.url);
  const people = Array.from({ length: USERS }, (_, i) =>
    person(urls, i, {
      user: `${name}-${i}`,
      device: 'd1',
      subprotocol: i % 4 === 0 ? 'json' : 'binary',
      watch: meter.frame,
    }),
  );
  await Promise.all(people.map(({ client }) => client.ready()));
  for (const one of people) meter.watch(one);
  return people;
}

/** Resolves with the ms until every receiver has what is acked now; the load goes on meanwhile, and a while longer. */
async function completed(talks: readonly Talk[]): Promise<number> {
  const from = performance.now();
  const goals = talks.map((talk) => ({ talk, seq: talk.acked }));
  const complete = (): boolean => goals.every(({ talk, seq }) => hasAll(talk, seq));
  await until('receivers complete', COMPLETE_MS_MAX, complete).catch(() => undefined); // the bound tells
  const ms = Math.round(performance.now() - from);
  await sleep(Math.max(0, AFTER_MS - ms));
  return ms;
}

function beyond(bounds: Bounds, seen: Seen & { readonly completeMs: number }): string[] {
  const { errors = [], closesMax = 0 } = bounds;
  const over = (what: string, value: number, max: number | undefined): string[] =>
    max !== undefined && value > max ? [`${what}: ${value}, over ${max}`] : [];
  const unexpected = Object.entries(seen.errors).filter(([code]) => !errors.includes(code as ErrorCode));
  return [
    ...unexpected.map(
      ([code, count]) => `${count} errors ${code}, which this fault must not cause: "${seen.messages[code]}"`,
    ),
    ...over('connections ended', seen.closes, closesMax),
    ...over('ms without an ack', seen.silenceMs, bounds.silenceMsMax),
    ...over('ms from sending to the ack', seen.ackMs, bounds.ackMsMax),
    ...over('ms from the ack to the last receiver', seen.deliveryMs, bounds.deliveryMsMax),
    ...over('ms until complete', seen.completeMs, bounds.completeMsMax),
    ...over('MB of memory more', seen.memoryGrowthMb, bounds.memoryGrowthMbMax),
  ];
}
