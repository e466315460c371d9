import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from '../../services/service-process.ts';
import { ROOT } from '../../tidy/tree.ts';
import { surroundings } from '../faults-report.ts';
import { foreseen, plan } from './plan.ts';
import { drainScenario } from './drain.ts';
import { killScenario } from './kill.ts';
import { asMarkdown, asText, drainText, killText, withSection } from './report.ts';
import { LONG_MINUTES, runChaos } from './run.ts';
import { Site, type SiteSize } from './site.ts';

export interface ClusterFlags {
  readonly minutes: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly rate: number;
  /** One store node and one NATS server. */
  readonly small: boolean;
  readonly json: boolean;
  readonly write: boolean;
}

const DOCUMENT = join(ROOT, 'docs/faults.md');

export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function sizeOf(small: boolean): SiteSize {
  return { sequencers: 3, edges: 2, storeNodes: small ? 1 : 3, natsNodes: small ? 1 : 3 };
}

/** A site of the program as it is built now; ends with the work, and with a signal. */
export async function onSite(
  small: boolean,
  longLived: boolean,
  work: (site: Site) => Promise<number>,
): Promise<number> {
  progress('building');
  await runTool('npm', ['run', '--silent', 'build'], { cwd: ROOT });
  const leaving = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      leaving.abort(new Error(signal));
      process.exit(130); // the exit handler of the services ends what runs
    });
  const site = await Site.start({
    ...sizeOf(small),
    longLived,
    program: 'dist',
    progress,
    signal: leaving.signal,
  });
  try {
    const code = await work(site);
    if (code !== 0) keepOutput(site);
    return code;
  } catch (error) {
    keepOutput(site);
    throw error;
  } finally {
    await site.stop();
  }
}

/** What the nodes said last, to look into after findings. */
function keepOutput(site: Site): void {
  const dir = mkdtempSync(join(tmpdir(), 'chaos-output-'));
  for (const { name, output } of site.processes)
    writeFileSync(join(dir, `${name.replaceAll(' ', '-')}.log`), output);
  progress(`the last output of the nodes is in ${dir}`);
}

/** `npm run chaos -- --minutes N`. Resolves with the exit code. */
export async function chaos({ json, write, small, ...options }: ClusterFlags): Promise<number> {
  const { minutes, seed, only } = options;
  progress(`seed ${seed}; as far as time allows:`);
  for (const line of foreseen(plan(seed, sizeOf(small), only), minutes * 60)) progress(`  ${line}`);
  return onSite(small, minutes >= LONG_MINUTES, async (site) => {
    const report = await runChaos(site, { ...options, program: 'dist', progress });
    process.stdout.write(`${json ? JSON.stringify(report) : asText(report)}\n`);
    if (write) {
      const command = ['npm run chaos --', ...process.argv.slice(2)].join(' ');
      const section = asMarkdown(report, await surroundings(site.services, command));
      writeFileSync(DOCUMENT, withSection(readFileSync(DOCUMENT, 'utf8'), section));
    }
    return report.findings.length === 0 ? 0 : 1;
  });
}

export interface ScenarioFlags {
  readonly conversations: number;
  readonly small: boolean;
  readonly json: boolean;
}

/** `npm run chaos -- --drain` */
export function drain({ conversations, small, json }: ScenarioFlags): Promise<number> {
  return onSite(small, false, async (site) => {
    const report = await drainScenario(site, conversations, progress);
    process.stdout.write(`${json ? JSON.stringify(report) : drainText(report)}\n`);
    return report.findings.length === 0 ? 0 : 1;
  });
}

/** `npm run chaos -- --kill` */
export function kill({ conversations, small, json }: ScenarioFlags): Promise<number> {
  return onSite(small, false, async (site) => {
    const report = await killScenario(site, conversations, progress);
    process.stdout.write(`${json ? JSON.stringify(report) : killText(report)}\n`);
    return report.findings.length === 0 ? 0 : 1;
  });
}
