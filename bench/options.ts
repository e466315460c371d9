import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { rowBytesOf } from './append/rows.ts';
import { BODY_BYTES_MIN } from './generator/frames.ts';
import { directsMax } from './topology.ts';
import { LIMITS } from '../src/protocol/limits.ts';

export const SCENARIOS = [
  'direct',
  'group',
  'append',
  'scale',
  'echo',
  'idle',
  'reads',
  'restart',
  'results',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

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
}

/** What an AppendBatch may be. */
const BATCH_ROWS_MAX = 256;
const BATCH_BYTES_MAX = 48 * 1024;

/** Bad arguments; the message says which, and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface Flag {
  readonly help: string;
  readonly scenarios: readonly ScenarioName[];
  /** Of a number; a flag without one is text or a switch. */
  readonly range?: readonly [min: number, max: number];
  readonly integer?: boolean;
  readonly text?: boolean;
  readonly choices?: readonly string[];
  /** Of a scenario with a mode: the one in which the flag has a meaning. */
  readonly mode?: Options['mode'];
}

const MODES = ['embedded', 'cluster'] as const;
const CLUSTERS = ['direct', 'group'] as const;
const LOADS = [...CLUSTERS, 'echo'] as const;
const FLAGS = {
  mode: {
    help: 'the server: one process, or edges and sequencers on real services (embedded)',
    scenarios: CLUSTERS,
    choices: MODES,
  },
  edges: {
    help: 'edges of a cluster (2)',
    scenarios: CLUSTERS,
    mode: 'cluster',
    range: [1, 8],
    integer: true,
  },
  nodes: { help: 'its sequencers (1)', scenarios: CLUSTERS, mode: 'cluster', range: [1, 8], integer: true },
  'store-nodes': {
    help: 'nodes of Cassandra (1); three keep three copies',
    scenarios: [...CLUSTERS, 'append'],
    mode: 'cluster',
    choices: ['1', '3'],
  },
  heat: {
    help: 'seconds of load before the first round of a cluster, for the compilers of all (60)',
    scenarios: [...CLUSTERS, 'append', 'scale', 'results'],
    mode: 'cluster',
    range: [0, 3600],
  },
  rows: { help: 'rows of a batch (64)', scenarios: ['append'], range: [1, BATCH_ROWS_MAX], integer: true },
  seconds: {
    help: 'measured time of a round (5; scale 10)',
    scenarios: [...LOADS, 'append', 'scale', 'reads', 'results'],
    range: [0.5, 3600],
  },
  warmup: {
    help: 'seconds before it (2; append and scale 4)',
    scenarios: [...LOADS, 'append', 'scale', 'reads', 'results'],
    range: [0, 600],
  },
  window: {
    help: 'unanswered sends per connection (1; with --rate 64); scale: in its closed loops (1)',
    scenarios: [...LOADS, 'scale'],
    range: [1, 1024],
    integer: true,
  },
  connections: {
    help: 'clients (256; idle 2000); scale: per sequencer, two in each conversation',
    scenarios: [...LOADS, 'scale', 'idle', 'reads', 'restart'],
    range: [2, 60_000],
    integer: true,
  },
  conversations: {
    help: 'direct conversations in all (half the connections; idle 10 times them, 20 each; append 32; reads 5000)',
    scenarios: ['direct', 'append', 'idle', 'reads', 'restart'],
    range: [1, 5_000_000],
    integer: true,
  },
  senders: {
    help: 'members of the group that send (16)',
    scenarios: ['group'],
    range: [1, 256],
    integer: true,
  },
  rate: {
    help: 'messages per second at fixed times: an open loop; scale: per sequencer (250); reads: cursors (10000)',
    scenarios: [...LOADS, 'scale', 'reads'],
    range: [1, 10_000_000],
  },
  rounds: {
    help: 'rounds of each side (1; with --compare 3; scale and restart 3)',
    scenarios: [...LOADS, 'append', 'scale', 'restart', 'results'],
    range: [1, 100],
    integer: true,
  },
  body: {
    help: 'bytes of a body (140; restart 1000)',
    scenarios: [...LOADS, 'append', 'scale', 'restart'],
    range: [BODY_BYTES_MIN, LIMITS.bodyBytesMax],
    integer: true,
  },
  bytes: {
    help: 'bytes of bodies in the store (1e9)',
    scenarios: ['restart', 'results'],
    range: [1e6, 1e12],
  },
  compare: {
    help: 'also run the bare baseline, in turns, and print the ratio',
    scenarios: [...CLUSTERS, 'append'],
  },
  cluster: {
    help: 'whether to measure the cluster too: auto, yes or no (auto: if its services can be had)',
    scenarios: ['results'],
    choices: ['auto', 'yes', 'no'],
  },
  json: { help: 'one JSON object instead of a table', scenarios: [...SCENARIOS] },
  dir: {
    help: "where the server's data goes (the system's temporary folder)",
    scenarios: [...CLUSTERS, 'idle', 'reads', 'restart', 'results'],
    mode: 'embedded',
    text: true,
  },
  profile: {
    help: "a folder for the servers' .cpuprofile",
    scenarios: [...CLUSTERS, 'append'],
    text: true,
  },
  server: {
    help: "another build's dist/src/cli/main.js to measure (this repository's)",
    scenarios: [...CLUSTERS, 'idle', 'reads', 'restart', 'results'],
    mode: 'embedded',
    text: true,
  },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof FLAGS;
const flags: Readonly<Record<FlagName, Flag>> = FLAGS;

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
  const connections = numbers.get('connections') ?? (scenario === 'idle' ? 2000 : 256);
  const isScale = scenario === 'scale';
  const rate = numbers.get('rate') ?? RATES.get(scenario);
  const isOpen = rate !== undefined && !RATES.has(scenario);
  const rounds = compare || isScale || scenario === 'restart' || scenario === 'results' ? 3 : 1;
  return {
    scenario,
    mode,
    json: values.json === true,
    compare,
    seconds: numbers.get('seconds') ?? (isScale ? 10 : 5),
    // The index of ids lags 2 s behind the rows: by then it is busy too.
    warmup: numbers.get('warmup') ?? (isScale || scenario === 'append' ? 4 : 2),
    window: numbers.get('window') ?? (isOpen ? 64 : 1),
    connections,
    conversations: numbers.get('conversations') ?? conversationsOf(scenario, connections),
    senders: numbers.get('senders') ?? Math.min(16, connections),
    rate,
    rounds: numbers.get('rounds') ?? rounds,
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
  };
}

/** Of scenarios that always have one. */
const RATES: ReadonlyMap<ScenarioName, number> = new Map([
  ['scale', 250],
  ['reads', 10_000],
]);

function conversationsOf(scenario: ScenarioName, connections: number): number {
  if (scenario === 'append') return 32;
  if (scenario === 'reads') return 5_000;
  return scenario === 'idle' ? connections * 10 : Math.floor(connections / 2);
}

function check(options: Options): void {
  const { scenario, connections, conversations, senders, server, profile } = options;
  if (!existsSync(options.dir)) throw new UsageError(`--dir: there is no folder ${options.dir}`);
  if (profile !== undefined && !existsSync(profile))
    throw new UsageError(`--profile: there is no folder ${profile}`);
  if (scenario === 'append') {
    checkBatch(options);
    return;
  }
  if (server !== undefined && !existsSync(server))
    throw new UsageError(`--server: there is no file ${server}`);
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
