/** `npm run faults`: breaks one thing after another under load, and prints what was seen. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../tidy/tree.ts';
import { sectionOf } from './cluster/report.ts';
import { runFaults } from './faults.ts';
import { document, remarks, type Surroundings, surroundings, table } from './faults-report.ts';
import { FAULTS } from './faults-table.ts';

const SECONDS_MAX = 600;
const HELP = `npm run faults -- [--only NAME]... [--seconds N] [--json] [--write]

  --only NAME   this fault alone; may be given several times: ${FAULTS.map(({ name }) => name).join(', ')}
  --seconds N   how long what lasts is to last (8)
  --json        the rows as one line of JSON on standard output
  --write       keeps the table in docs/faults.md; all faults must be run
`;

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${HELP}`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1 || seconds > SECONDS_MAX)
  refuse(`--seconds ${values.seconds}: must be a whole number from 1 to ${SECONDS_MAX}`);
for (const name of values.only)
  if (!FAULTS.some((fault) => fault.name === name)) refuse(`--only ${name}: no such fault`);
if (values.write && values.only.length > 0)
  refuse('--write: the document holds all faults; leave --only out');

const chosen = FAULTS.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
const command = ['npm run faults', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(
  ' ',
);
let where: Surroundings | undefined;
const rows = await runFaults(chosen, {
  seconds,
  program: 'dist',
  progress: (line) => process.stderr.write(`${line}\n`),
  started: async ({ services }) => {
    where ??= await surroundings(services, command);
  },
});
if (values.json) process.stdout.write(`${JSON.stringify({ ...where, rows })}\n`);
else process.stdout.write(`${table(rows)}\n\n${remarks(rows)}\n`);
if (values.write && where !== undefined) {
  const path = join(ROOT, 'docs/faults.md');
  const chaos = sectionOf(readFileSync(path, 'utf8'));
  writeFileSync(path, document(rows, where) + (chaos === '' ? '' : `\n${chaos}\n`));
}
if (rows.some(({ findings }) => findings.length > 0)) process.exitCode = 1;
