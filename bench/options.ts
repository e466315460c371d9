import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { BODY_BYTES_MIN } from './generator/frames.ts';
import { LIMITS } from '../src/protocol/limits.ts';

export const SCENARIOS = ['direct', 'group', 'echo', 'idle', 'restart', 'results'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

export interface Options {
  readonly scenario: ScenarioName;
  readonly json: boolean;
  readonly compare: boolean;
  readonly seconds: number;
  readonly warmup: number;
  readonly window: number;
  readonly connections: number;
  /** Over all connections. */
  readonly conversations: number;
  readonly senders: number;
  /** Messages per second over all connections; undefined: a closed loop. */
  readonly rate: number | undefined;
  readonly rounds: number;
  /** Bytes of a message's body. */
  readonly body: number;
  /** Of bodies, to fill a store with. */
  readonly bytes: number;
  /** Where the servers' data folders are made. */
  readonly dir: string;
  /** Where the server leaves its CPU profile. */
  readonly profile: string | undefined;
  /** The compiled command line of the server to measure; undefined: this repository's. */
  readonly server: string | undefined;
}

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
}

const LOADS = ['direct', 'group', 'echo'] as const;
const FLAGS = {
  seconds: { help: 'measured time of a round (5)', scenarios: [...LOADS, 'results'], range: [0.5, 3600] },
  warmup: { help: 'seconds before it (2)', scenarios: [...LOADS, 'results'], range: [0, 600] },
  window: {
    help: 'unanswered sends per connection (1; with --rate 64)',
    scenarios: [...LOADS],
    range: [1, 1024],
    integer: true,
  },
  connections: {
    help: 'clients (256; idle 2000)',
    scenarios: [...LOADS, 'idle', 'restart'],
    range: [2, 60_000],
    integer: true,
  },
  conversations: {
    help: 'direct conversations in all (half the connections; idle 10 times them, 20 each)',
    scenarios: ['direct', 'idle', 'restart'],
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
    help: 'messages per second at fixed times: an open loop',
    scenarios: [...LOADS],
    range: [1, 10_000_000],
  },
  rounds: {
    help: 'rounds of each side (1; with --compare 3; restart 3)',
    scenarios: [...LOADS, 'restart', 'results'],
    range: [1, 100],
    integer: true,
  },
  body: {
    help: 'bytes of a body (140; restart 1000)',
    scenarios: [...LOADS, 'restart'],
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
    scenarios: ['direct', 'group'],
  },
  json: { help: 'one JSON object instead of a table', scenarios: [...SCENARIOS] },
  dir: {
    help: "where the server's data goes (the system's temporary folder)",
    scenarios: ['direct', 'group', 'idle', 'restart', 'results'],
    text: true,
  },
  profile: { help: "a folder for the server's .cpuprofile", scenarios: ['direct', 'group'], text: true },
  server: {
    help: "another build's dist/src/cli/main.js to measure (this repository's)",
    scenarios: ['direct', 'group', 'idle', 'restart', 'results'],
    text: true,
  },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof FLAGS;
const flags: Readonly<Record<FlagName, Flag>> = FLAGS;

export function usage(): string {
  const lines = (Object.keys(flags) as FlagName[]).map((name) => {
    const flag = flags[name];
    const value = flag.range === undefined ? (flag.text ? ' PATH' : '') : ' N';
    return `  --${(name + value).padEnd(18)} ${flag.help} [${flag.scenarios.join(', ')}]`;
  });
  return [`usage: npm run bench -- ${SCENARIOS.join('|')} [flags]`, ...lines].join('\n');
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
  const numbers = new Map<FlagName, number>();
  for (const flagName of Object.keys(values) as FlagName[]) {
    const flag = flags[flagName];
    if (!flag.scenarios.includes(scenario)) {
      throw new UsageError(
        `--${flagName} has no meaning for ${scenario}; it is for ${flag.scenarios.join(', ')}`,
      );
    }
    if (flag.range !== undefined) numbers.set(flagName, numberOf(flagName, flag, values[flagName] as string));
  }
  const options = withDefaults(scenario, numbers, values);
  check(options);
  return options;
}

type Values = { readonly [K in FlagName]?: string | boolean };

function parse(args: readonly string[]): { values: Values; positionals: string[] } {
  const options = Object.fromEntries(
    (Object.keys(flags) as FlagName[]).map((name) => {
      const flag = flags[name];
      return [
        name,
        { type: flag.range !== undefined || flag.text ? ('string' as const) : ('boolean' as const) },
      ];
    }),
  );
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: { ...parsed.values } as Values, positionals: parsed.positionals };
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0] as string); // the rest is about '--'
  }
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
  numbers: ReadonlyMap<FlagName, number>,
  values: Values,
): Options {
  const compare = values.compare === true;
  const connections = numbers.get('connections') ?? (scenario === 'idle' ? 2000 : 256);
  const rate = numbers.get('rate');
  return {
    scenario,
    json: values.json === true,
    compare,
    seconds: numbers.get('seconds') ?? 5,
    warmup: numbers.get('warmup') ?? 2,
    window: numbers.get('window') ?? (rate === undefined ? 1 : 64),
    connections,
    conversations:
      numbers.get('conversations') ?? (scenario === 'idle' ? connections * 10 : Math.floor(connections / 2)),
    senders: numbers.get('senders') ?? Math.min(16, connections),
    rate,
    rounds: numbers.get('rounds') ?? (compare || scenario === 'restart' || scenario === 'results' ? 3 : 1),
    body: numbers.get('body') ?? (scenario === 'restart' ? 1000 : 140),
    bytes: numbers.get('bytes') ?? 1e9,
    dir: (values.dir as string | undefined) ?? tmpdir(),
    profile: values.profile as string | undefined,
    server: values.server as string | undefined,
  };
}

function check(options: Options): void {
  const { scenario, connections, conversations, senders, server } = options;
  if (!existsSync(options.dir)) throw new UsageError(`--dir: there is no folder ${options.dir}`);
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
  const most = (connections * (connections - 1)) / 2;
  if (conversations > most) {
    throw new UsageError(
      `--conversations: ${connections} connections make up to ${most} pairs, not ${conversations}`,
    );
  }
}
