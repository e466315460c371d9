import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from '../../tidy/tree.ts';
import type { Site } from './site.ts';

/** What `carillon check` says of a cluster's store. */
export interface StoreVerdict {
  readonly conversations: number;
  readonly rows: number;
  readonly damages: number;
  /** The first few, in words. */
  readonly examples: readonly string[];
}

const EXAMPLES_MAX = 20;

/** Runs `carillon check` on the store of a site. Rejects when it could not check. */
export async function checkCluster(site: Site, progress: (line: string) => void): Promise<StoreVerdict> {
  const { contactPoints, localDc } = site.services.cassandra;
  const args = [
    ...['--import', 'tsx', 'src/cli/main.ts', 'check', '--store', 'scylla', '--json'],
    `--scylla-contact-points=${contactPoints.join(',')}`,
    `--scylla-local-dc=${localDc}`,
    `--scylla-keyspace=${site.stack.keyspace}`,
  ];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void output.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => progress(text.trimEnd()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 && code !== 1) throw new Error(`carillon check ended with ${code}`);
  const lines = output.join('').trimEnd().split('\n');
  const last = JSON.parse(lines.pop() as string) as Omit<StoreVerdict, 'examples'>;
  return { ...last, examples: lines.slice(0, EXAMPLES_MAX) };
}
