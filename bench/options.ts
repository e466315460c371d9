import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rowBytesOf } from './append/rows.ts';
import { CLUSTERS, type Flag, type FlagName, flags, MODES, SCENARIOS, type ScenarioName } from './flags.ts';
import { directsMax } from './topology.ts';
import { LIMITS } from '../src/protocol/limits.ts';

export interface Options {
  readonly scenario: ScenarioName;
  readonly mode: 'embedded' | 'cluster';
  readonly json: boolean;
  readonly compare: boolean;
  readonly seconds: number;
  readonly warmup: number;
  readonly window: number;
  readonly connections: number;
  /** Over all connections. */
  readonly conversations: number;
  readonly senders: number;
  /** Messages per second over all connections (scale: per sequencer); undefined: a closed loop. */
  readonly rate: number | undefined;
  /** Of the presence hub. */
  readonly users: number;
  /** Clients that come over sockets, and go, per second. */
  readonly visits: number;
  /** Messages that a syncing user has not read. */
  readonly unread: number;
  readonly rounds: number;
  /** Bytes of a message's body. */
  readonly body: number;
  /** Of bodies, to fill a store with. */
  readonly bytes: number;
  /** Sequencers and edges of a cluster. */
  readonly nodes: number;
  readonly edges: number;
  readonly storeNodes: 1 | 3;
  /** Seconds of load before the first round of a cluster. */
  readonly heat: number;
  /** Of a batch. */
  readonly rows: number;
  /** Whether `results` measures the cluster too; auto: if it can be had here. */
  readonly cluster: 'auto' | 'yes' | 'no';
  /** Where the servers' data folders are made. */
  readonly dir: string;
  /** Where the server leaves its CPU profile. */
  readonly profile: string | undefined;
  /** The compiled command line of the server to measure; undefined: this repository's. */
  readonly server: string | undefined;
  /** That of another build, measured in turns with it. */
  readonly compareWith: string | undefined;
}

/** What an AppendBatch may be. */
const BATCH_BYTES_MAX = 48 * 1024;

/** Bad arguments; the message says which, and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function usage(): string {
  const lines = (Object.keys(flags) as FlagName[]).map((name) => {
    const flag = flags[name];
    return `  --${(name + valueOf(flag)).padEnd(24)} ${flag.help} [${flag.scenarios.join(', ')}]`;
  });
  return [`usage: npm run bench -- ${SCENARIOS.join('|')} [flags]`, ...lines].join('\n');
}

function valueOf({ range, text, choices }: Flag): string {
  if (choices !== undefined) return ` ${choices.join('|')}`;
  if (range !== undefined) return ' N';
  return text === true ? ' PATH' : '';
}

/** Throws UsageError. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  const [name, ...others] = positionals;
  const scenario = SCENARIOS.find((candidate) => candidate === name);
  if (scenario === undefined) {
    throw new UsageError(
      name === undefined
        ? 'name a scenario'
        : `unknown scenario "${name}"; there are ${SCENARIOS.join(', ')}`,
    );
  }
  if (others.length > 0) throw new UsageError(`one scenario at a time; "${others.join(' ')}" is too much`);
  const mode = modeOf(scenario, values);
  const numbers = new Map<FlagName, number>();
  for (const flagName of Object.keys(values) as FlagName[]) {
    const flag = flags[flagName];
    if (!flag.scenarios.includes(scenario)) {
      throw new UsageError(
        `--${flagName} has no meaning for ${scenario}; it is for ${flag.scenarios.join(', ')}`,
      );
    }
    const hasModes = CLUSTERS.some((name) => name === scenario);
    if (hasModes && flag.mode !== undefined && flag.mode !== mode)
      throw new UsageError(`--${flagName} is for --mode ${flag.mode}, and this is --mode ${mode}`);
    if (flag.choices !== undefined) choiceOf(flagName, flag.choices, values[flagName]);
    if (flag.range !== undefined) numbers.set(flagName, numberOf(flagName, flag, values[flagName] as string));
  }
  const options = withDefaults(scenario, mode, numbers, values);
  check(options);
  return options;
}

type Values = { readonly [K in FlagName]?: string | boolean };

function parse(args: readonly string[]): { values: Values; positionals: string[] } {
  const options = Object.fromEntries(
    (Object.keys(flags) as FlagName[]).map((name) => {
      const flag = flags[name];
      return [name, { type: valueOf(flag) === '' ? ('boolean' as const) : ('string' as const) }];
    }),
  );
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: { ...parsed.values } as Values, positionals: parsed.positionals };
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0] as string); // the rest is about '--'
  }
}

function modeOf(scenario: ScenarioName, { mode }: Values): Options['mode'] {
  if (scenario === 'append' || scenario === 'scale') return 'cluster';
  return mode === undefined ? 'embedded' : choiceOf('mode', MODES, mode);
}

function choiceOf<T extends string>(
  name: FlagName,
  choices: readonly T[],
  text: string | boolean | undefined,
): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new UsageError(`--${name}: ${choices.join(' or ')}, not "${text}"`);
  return choice;
}

function numberOf(name: FlagName, flag: Flag, text: string): number {
  const [min, max] = flag.range as readonly [number, number];
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= min && value <= max) || (flag.integer === true && !Number.isInteger(value))) {
    throw new UsageError(
      `--${name}: ${flag.integer ? 'an integer' : 'a number'} from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
}

function withDefaults(
  scenario: ScenarioName,
  mode: Options['mode'],
  numbers: ReadonlyMap<FlagName, number>,
  values: Values,
): Options {
  const compare = values.compare === true;
  const connections = numbers.get('connections') ?? (scenario === 'idle' ? 8000 : 256);
  const isScale = scenario === 'scale';
  const rate = numbers.get('rate') ?? RATES.get(scenario);
  const isOpen = rate !== undefined && !RATES.has(scenario);
  const compareWith = programOf(values['compare-with'] as string | undefined);
  return {
    scenario,
    mode,
    json: values.json === true,
    compare,
    seconds: numbers.get('seconds') ?? (isScale || scenario === 'presence' ? 10 : 5),
    // The index of ids lags 2 s behind the rows: by then it is busy too.
    warmup: numbers.get('warmup') ?? (isScale || scenario === 'append' ? 4 : 2),
    window: numbers.get('window') ?? (isOpen ? 64 : 1),
    connections,
    conversations: numbers.get('conversations') ?? conversationsOf(scenario, connections),
    senders: numbers.get('senders') ?? Math.min(16, connections),
    rate,
    users: numbers.get('users') ?? 200_000,
    visits: numbers.get('visits') ?? 300,
    unread: numbers.get('unread') ?? 300,
    rounds: numbers.get('rounds') ?? (compare || compareWith !== undefined ? 3 : (ROUNDS.get(scenario) ?? 1)),
    body: numbers.get('body') ?? (scenario === 'restart' ? 1000 : 140),
    bytes: numbers.get('bytes') ?? 1e9,
    nodes: numbers.get('nodes') ?? (isScale ? 3 : 1),
    edges: numbers.get('edges') ?? 2,
    storeNodes: values['store-nodes'] === '3' ? 3 : 1,
    heat: numbers.get('heat') ?? 60,
    rows: numbers.get('rows') ?? 64,
    cluster: (values.cluster as Options['cluster'] | undefined) ?? 'auto',
    dir: (values.dir as string | undefined) ?? tmpdir(),
    profile: values.profile as string | undefined,
    server: values.server as string | undefined,
    compareWith,
  };
}

/** In a build's folder. */
function programOf(dist: string | undefined): string | undefined {
  return dist === undefined ? undefined : join(resolve(dist), 'src/cli/main.js');
}

/** Of scenarios that always have one. */
const RATES: ReadonlyMap<ScenarioName, number> = new Map([
  ['scale', 250],
  ['reads', 10_000],
  ['presence', 10_000],
]);

const ROUNDS: ReadonlyMap<ScenarioName, number> = new Map([
  ['scale', 3],
  ['restart', 3],
  ['results', 3],
  ['sync', 5],
]);

function conversationsOf(scenario: ScenarioName, connections: number): number {
  if (scenario === 'append') return 32;
  if (scenario === 'reads') return 5_000;
  if (scenario === 'sync') return 2_000;
  return scenario === 'idle' ? connections * 10 : Math.floor(connections / 2);
}

function check(options: Options): void {
  const { scenario, connections, conversations, senders, server, compareWith, profile } = options;
  if (!existsSync(options.dir)) throw new UsageError(`--dir: there is no folder ${options.dir}`);
  if (profile !== undefined && !existsSync(profile))
    throw new UsageError(`--profile: there is no folder ${profile}`);
  if (scenario === 'append') {
    checkBatch(options);
    return;
  }
  if (server !== undefined && !existsSync(server))
    throw new UsageError(`--server: there is no file ${server}`);
  if (compareWith !== undefined && !existsSync(compareWith))
    throw new UsageError(`--compare-with: there is no file ${compareWith}`);
  if (scenario === 'sync') return; // one user talks with all others
  if (scenario === 'group') {
    if (connections > LIMITS.groupMembersMax) {
      throw new UsageError(
        `--connections: a group has up to ${LIMITS.groupMembersMax} members, not ${connections}`,
      );
    }
    if (senders > connections)
      throw new UsageError(`--senders: up to the ${connections} connections, not ${senders}`);
    return;
  }
  if (connections % 2 !== 0)
    throw new UsageError(`--connections: an even number (they talk in pairs), not ${connections}`);
  const across = options.mode === 'cluster' && options.edges > 1;
  const most = directsMax(connections, across);
  if (conversations > most) {
    const where = across ? ' whose two sides are on different edges' : '';
    throw new UsageError(
      `--conversations: ${connections} connections make up to ${most} pairs${where}, not ${conversations}`,
    );
  }
}

/** A batch is as large as a conversation's may be. */
function checkBatch({ rows, body }: Options): void {
  const rowBytes = rowBytesOf(body);
  const rowsMax = Math.max(1, Math.floor(BATCH_BYTES_MAX / rowBytes));
  if (rows > rowsMax)
    throw new UsageError(
      `--rows: up to ${rowsMax} rows with --body ${body} (${BATCH_BYTES_MAX} bytes), not ${rows}`,
    );
}
