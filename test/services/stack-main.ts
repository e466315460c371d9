/** `npm run stack`: the whole system on this machine, to try out, until Ctrl-C. */
import { asError } from '../../src/client/errors.ts';
import {
  type Flags,
  flagsHelp,
  type FlagValues,
  noWords,
  readFlags,
  readInteger,
  UsageError,
} from '../../src/cli/args.ts';
import { table } from '../../src/cli/output.ts';
import { startStack, type Stack } from './stack.ts';
import { describeServices } from './stack-services.ts';

const FLAGS = {
  nodes: { type: 'string', value: 'N', help: 'sequencers (1)' },
  edges: { type: 'string', value: 'N', help: 'edges (2)' },
  'store-nodes': { type: 'string', value: '1|3', help: 'nodes of Cassandra (1); three keep three copies' },
  json: { type: 'boolean', help: 'one line of JSON on standard output when all is ready' },
  help: { type: 'boolean', short: 'h', help: 'this' },
} as const satisfies Flags;

const NODES_MAX = 16;

const HELP = `npm run stack -- [FLAGS]

Starts Cassandra, NATS and Redis, then sequencers and edges on them, each a process of its own, on free loopback
ports. Prints the addresses, starts a node that ends by itself again, and ends all of it on Ctrl-C or SIGTERM (a
second one ends it at once). Nothing is kept.

Flags:
${flagsHelp(FLAGS)}

For scripts: npm run --silent stack -- --json, since npm tells of what it runs on standard output. The line is
  {"edges": [url], "sequencers": [{"id", "pid"}], "services": {name: {"address", "pid"}}}

CARILLON_TEST_CASSANDRA, CARILLON_TEST_NATS and CARILLON_TEST_REDIS name services to use instead of own ones. All
other CARILLON_* variables go to the nodes, save those that the stack itself decides.`;

/** npm hands a Ctrl-C on that the terminal has sent to us as well. */
const SAME_SIGNAL_MS = 250;
const PARENT_LOOK_MS = 500;
/** What is the stack's own to decide, or not of the nodes. */
const NOT_PASSED =
  /^CARILLON_(TEST_\w+|REQUIRE_SERVICES|HOST|PORT|ADMIN_PORT|DATA_DIR|ROLES|STORE|BUS|PRESENCE|SCYLLA_\w+|NATS_\w+|REDIS_\w+)$/;

interface Wanted {
  readonly nodes: number;
  readonly edges: number;
  readonly storeNodes: 1 | 3;
  readonly json: boolean;
}

function check(flags: FlagValues<typeof FLAGS>): Wanted {
  const count = (name: 'nodes' | 'edges'): number | undefined => readInteger(name, flags[name], 1, NODES_MAX);
  const storeNodes = flags['store-nodes'] ?? '1';
  if (storeNodes !== '1' && storeNodes !== '3')
    throw new UsageError(`--store-nodes ${storeNodes}: must be 1 or 3`);
  return {
    nodes: count('nodes') ?? 1,
    edges: count('edges') ?? 2,
    storeNodes: storeNodes === '3' ? 3 : 1,
    json: flags.json,
  };
}

/** Lines about what happens; standard output is for the result. */
function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function run({ json, ...wanted }: Wanted): Promise<void> {
  const leaving = new AbortController();
  leaveOnSignals(leaving);
  const stack = await startStack({
    ...wanted,
    program: 'dist',
    restartExited: true,
    env: passedOn(),
    progress,
    signal: leaving.signal,
  });
  try {
    process.stdout.write(`${json ? await asJson(stack) : asText(stack)}\n`);
    await aborted(leaving.signal);
  } finally {
    progress('leaving: edges first, then sequencers, then the services');
    await stack.stop();
  }
}

/** The first signal aborts, another ends the process at once, and all children with it. */
function leaveOnSignals(leaving: AbortController): void {
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (firstAt !== undefined && performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(1);
      firstAt ??= performance.now();
      leaving.abort(new Left(`${signal} while starting`));
    });
  }
  // The shell that npm starts us with does not hand its SIGTERM on, and npm may be killed.
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) leaving.abort(new Left('npm has ended'));
  }, PARENT_LOOK_MS).unref();
}

/** We were asked to leave before all was there. */
class Left extends Error {}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function passedOn(): Record<string, string> {
  const ours = Object.entries(process.env).filter(
    ([name]) => name.startsWith('CARILLON_') && !NOT_PASSED.test(name),
  );
  return Object.fromEntries(ours) as Record<string, string>;
}

async function asJson({ edges, sequencers, services }: Stack): Promise<string> {
  return JSON.stringify({
    edges: edges.map((edge) => edge.url),
    sequencers: await Promise.all(sequencers.map(async (each) => ({ id: await each.id(), pid: each.pid }))),
    services: describeServices(services),
  });
}

function asText({ edges, sequencers, services }: Stack): string {
  const rows = [
    ['what', 'address', 'admin', 'pid'],
    ...edges.map((edge) => [edge.name, edge.url, edge.adminUrl, String(edge.pid)]),
    ...sequencers.map((each) => [each.name, '', each.adminUrl, String(each.pid)]),
    ...Object.entries(describeServices(services)).map(([name, { address, pid }]) => [
      name,
      address,
      '',
      pid === null ? '' : String(pid),
    ]),
  ];
  const [first, last] = [edges[0]?.url, edges.at(-1)?.url];
  return [
    '',
    table(rows),
    '',
    `Open ${first} and ${last} in two windows, as two users, and chat. Or, in two other terminals:`,
    `  npm run cli -- tail --as ann --to bob --url ${first}`,
    `  npm run cli -- send --as bob --to ann --url ${last} "Hello"`,
    `Kill a node (kill -9 ${sequencers[0]?.pid}) and see it come back. Ctrl-C ends all of it.`,
  ].join('\n');
}

async function main(): Promise<void> {
  try {
    const { flags, words } = readFlags(process.argv.slice(2), FLAGS);
    if (flags.help) {
      process.stdout.write(`${HELP}\n`);
      return;
    }
    noWords(words);
    await run(check(flags));
  } catch (error) {
    if (error instanceof Left) return;
    progress(`stack: ${asError(error).message}`);
    if (error instanceof UsageError) progress('npm run stack -- --help shows how.');
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

await main();
