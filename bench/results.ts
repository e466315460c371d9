/** Runs every scenario as the budgets name them and writes bench/RESULTS.md. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Options, parseOptions, UsageError } from './options.ts';
import { asJson, asTable, machine, problemsOf, type Report } from './report.ts';
import { clusterLacks } from './services.ts';

const FILE = fileURLToPath(new URL('RESULTS.md', import.meta.url));

interface Run {
  readonly title: string;
  readonly args: readonly string[];
}

/** Throws UsageError: the cluster is asked for, and can't be had. */
function runs(options: Options, progress: (text: string) => void): Run[] {
  const { cluster } = options;
  const lacking = cluster === 'no' ? '--cluster no' : clusterLacks();
  if (cluster === 'yes' && lacking !== undefined) throw new UsageError(`--cluster yes: it ${lacking}`);
  if (lacking === undefined) return [...embeddedRuns(options), ...clusterRuns(options)];
  progress(`the cluster is left out: ${lacking}`);
  return embeddedRuns(options);
}

function clusterRuns({ seconds, warmup, heat, rounds }: Options): Run[] {
  const rest = ['--seconds', String(seconds), '--rounds', String(rounds), '--heat', String(heat)];
  const load = ['--compare', ...rest];
  const cluster = ['--mode', 'cluster', ...load, '--warmup', String(warmup)];
  return [
    {
      title: 'Direct in a cluster, window 1',
      args: ['direct', ...cluster, '--connections', '512'],
    },
    {
      title: 'Group of 256 in a cluster',
      args: ['group', ...cluster, '--senders', '32', '--window', '4'],
    },
    { title: 'Rows appended to the log of a cluster', args: ['append', ...load] },
    { title: 'Three sequencers beside one', args: ['scale', ...rest] },
  ];
}

function embeddedRuns(options: Options): Run[] {
  const place = ['--dir', options.dir, ...(options.server === undefined ? [] : ['--server', options.server])];
  const load = ['--seconds', String(options.seconds), '--warmup', String(options.warmup), ...place];
  const many = ['--connections', '512'];
  const rounds = ['--rounds', String(options.rounds)];
  return [
    { title: 'Direct, durable, window 1', args: ['direct', '--compare', ...many, ...load, ...rounds] },
    {
      title: 'Direct, durable, window 1, over 20,000 conversations',
      // Warm means that every conversation is in memory.
      args: ['direct', '--compare', '--conversations', '20000', ...many, ...load, '--warmup', '8', ...rounds],
    },
    {
      title: 'Direct, durable, window 16',
      args: ['direct', '--compare', '--window', '16', ...load, ...rounds],
    },
    { title: 'Direct at a fixed rate (open loop)', args: ['direct', '--rate', '10000', ...load, ...rounds] },
    // So many at once that both sides have the same number of messages per write (see `frames per client read`).
    {
      title: 'Group of 256',
      args: ['group', '--compare', '--senders', '32', '--window', '4', ...load, ...rounds],
    },
    { title: 'Idle connections', args: ['idle', ...place] },
    { title: 'Read cursors, 10,000 a second', args: ['reads', ...place] },
    { title: 'Presence, 10,000 connects and 10,000 disconnects a second', args: ['presence', ...place] },
    { title: 'First sync of 2,000 conversations', args: ['sync', ...place] },
    {
      title: 'Restart',
      args: ['restart', '--bytes', String(options.bytes), ...rounds, ...place],
    },
  ];
}

/** Returns the exit code. */
export async function writeResults(
  options: Options,
  run: (options: Options) => Promise<Report>,
  progress: (text: string) => void,
): Promise<number> {
  const sections: string[] = [];
  const reports: object[] = [];
  for (const { title, args } of runs(options, progress)) {
    progress(`== ${title}`);
    const report = await run(parseOptions(args));
    const table = asTable(report);
    progress(table);
    if (problemsOf(report).count > 0) return 1;
    reports.push(asJson(report));
    // The machine stands at the top; each table's own first line would repeat it.
    sections.push(
      `## ${title}\n\n\`npm run bench -- ${shown(args)}\`\n\n\`\`\`\n${table.slice(table.indexOf('\n') + 2)}\n\`\`\``,
    );
  }
  await writeFile(FILE, `${head()}\n\n${sections.join('\n\n')}\n`);
  if (options.json) console.log(JSON.stringify(reports, undefined, 2));
  return 0;
}

/** Paths of the machine that measured say nothing to others. */
function shown(args: readonly string[]): string {
  return args.filter((arg, i) => !PATHS.includes(arg) && !PATHS.includes(args[i - 1] ?? '')).join(' ');
}
const PATHS = ['--dir', '--server'];

function head(): string {
  return [
    '# Measured',
    '',
    '`npm run bench -- results` writes this file: medians of several rounds, the server and the bare baseline in turns',
    'within one run. A wrong, lost, doubled or reordered message anywhere would have failed the run.',
    '',
    `Machine: ${machine()}. Written ${new Date().toISOString().slice(0, 10)}.`,
  ].join('\n');
}
