import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { arch, cpus, platform, totalmem } from 'node:os';
import { Client } from 'cassandra-driver';
import type { Services } from '../services/stack.ts';
import type { Row } from './faults.ts';

/** What the faults were made to, and where. */
export interface Surroundings {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: string;
}

export async function surroundings(services: Services, command: string): Promise<Surroundings> {
  const all = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const versions = [
    `Node ${process.versions.node}`,
    `Cassandra ${await cassandraVersion(services)}`,
    `nats-server ${await natsVersion(services)}`,
    `Redis ${redisVersion()}`,
  ];
  return {
    date: new Date().toISOString().slice(0, 10),
    command,
    machine: `${all.length} cores (${all[0]?.model.trim()}), ${gigabytes} GiB, ${platform()} ${arch()}`,
    versions: versions.join(', '),
  };
}

async function cassandraVersion({ cassandra }: Services): Promise<string> {
  const { contactPoints, localDc: localDataCenter } = cassandra;
  const client = new Client({ contactPoints: [...contactPoints], localDataCenter });
  try {
    const { rows } = await client.execute('SELECT release_version FROM system.local');
    return rows[0]?.['release_version'] as string;
  } finally {
    await client.shutdown();
  }
}

/** A server introduces itself. */
async function natsVersion({ nats }: Services): Promise<string> {
  const socket = connect(nats.nodes[0]?.port as number, '127.0.0.1');
  const [info] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return /"version":"([^"]+)"/.exec(info.toString())?.[1] ?? 'unknown';
}

function redisVersion(): string {
  return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
}

const HEAD = [
  'fault',
  'errors seen',
  'connections ended',
  'no ack for, ms',
  'slowest ack, ms',
  'slowest delivery, ms',
  'complete after, ms',
  'memory, MB',
  'acked',
  'lost',
  'duplicated',
  'reordered',
  'gaps',
  'clean',
];

function cells(row: Row): string[] {
  const errors = Object.entries(row.errors).map(([code, count]) => `${code} ${count}`);
  return [
    row.what,
    errors.join(', ') || 'none',
    ...[row.closes, row.silenceMs, row.ackMs, row.deliveryMs, row.completeMs].map(String),
    `${row.memoryMb} (+${row.memoryGrowthMb})`,
    ...[row.acked, row.lost, row.duplicated, row.reordered, row.gaps].map(String),
    row.findings.length === 0 ? 'yes' : 'NO',
  ];
}

/** A table of Markdown, which people can read as it is. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, i) => Math.max(...lines.map((line) => (line[i] as string).length)));
  const line = (all: readonly string[]): string =>
    `| ${all.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |`;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(HEAD), rule, ...lines.slice(1).map(line)].join('\n');
}

/** Each row's own notes and findings, as a list. */
export function remarks(rows: readonly Row[]): string {
  return rows
    .flatMap(({ what, notes, findings }) => [
      ...notes.map((note) => `- ${what}: ${note}.`),
      ...findings.map((finding) => `- **${what}: ${finding}.**`),
    ])
    .join('\n');
}

const INTRODUCTION = `# What fails, and what is seen

Real processes on real services: one sequencer, two edges, Cassandra, NATS and Redis, each a process of its own. Twenty
clients, half of them at each edge, keep sending in 40 conversations (directs, and every fifth a group of four); each
keeps what it sent, what was acked, and what came. Under that load something is broken and mended; then all is read back
and held against what the clients saw: an acked message that is not in the log at its seq is *lost*, one that is there
or came twice is *duplicated*, an order other than that of the sender or of the log is *reordered*, a seq that is
missing is a *gap*.

\`npm run faults\` makes this table; it exits with 1 if a row is not clean: a history with a fault, or something seen that
is beyond what that fault may cause (test/chaos/faults-table.ts).`;

const COLUMNS = `- *errors seen*: answers to requests, by code; clients tried again by themselves, under the same id, and no send failed.
- *no ack for*: the longest time in which no message of anybody was acked, the fault's own duration included.
- *slowest ack*: from sending to the ack. *slowest delivery*: from the ack to the last receiver.
- *complete after*: from the end of the fault (the process is ready again, the loss is over) until every receiver has all
  that was acked by then.
- *memory*: user-space memory of the largest edge or sequencer at its height, and by how much one grew.`;

export function document(rows: readonly Row[], { date, command, machine, versions }: Surroundings): string {
  return `${INTRODUCTION}

${date}, \`${command}\`, on ${machine}; ${versions}. Faults that last do so for ${rows[0]?.seconds} s; the load, the services
and the nodes share the cores.

${table(rows)}

${COLUMNS}

${remarks(rows)}
`;
}
