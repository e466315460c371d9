import { table } from '../../../src/cli/output.ts';
import type { Surroundings } from '../faults-report.ts';
import type { DrainReport } from './drain.ts';
import type { KillReport } from './kill.ts';
import type { ChaosReport } from './run.ts';
import { type Row, spread, type Spread } from './rows.ts';

export const HEAD = [
  'fault',
  'times',
  'first ack again, ms: p50 / p99 / max (conversations)',
  'back after the outage, ms: first / p50 / max',
  'pause in a move, ms: p50 / p99 / max (conversations)',
  "the nodes' own view of a hand-over, ms: p50 / p99 / max (hand-overs)",
  'no ack of anybody for, ms',
  'errors seen',
  'connections ended',
];

export function cells(row: Row): string[] {
  const errors = Object.entries(row.errors).map(([code, count]) => `${code} ${count}`);
  const under = (share: number): string => `<= ${row.handoffMs(share)}`;
  return [
    row.what,
    String(row.times),
    inWords(spread(row.firstAcks)),
    row.backs.length === 0
      ? '-'
      : `${spread(row.firstBacks).max} / ${spread(row.backs).p50} / ${spread(row.backs).max}`,
    inWords(spread(row.pauses)),
    row.handoffs === 0 ? '-' : `${under(0.5)} / ${under(0.99)} / ${under(1)} (${row.handoffs})`,
    String(row.silenceMs),
    errors.join(', ') || 'none',
    String(row.closes),
  ];
}

export function inWords({ count, p50, p99, max }: Spread): string {
  return count === 0 ? '-' : `${p50} / ${p99} / ${max} (${count})`;
}

/** The whole, in one line, for people and for the document. */
export function total({ verdict, strays, removals, store, seconds }: ChaosReport): string {
  return (
    `${historyText(verdict)} in ${seconds} s, ` +
    `deliveries to non-members ${strays} (${removals} removals); carillon check: ${store.conversations} conversations, ` +
    `${store.rows} events, ${store.damages} damages`
  );
}

export function asText(report: ChaosReport): string {
  const rows = [
    ['fault', ...HEAD.slice(1)],
    ...sorted(report.rows).map((row) => [row.name, ...cells(row).slice(1)]),
  ];
  return [
    table(rows),
    '',
    total(report),
    ...overTheBar(report.rows),
    ...report.findings.map((each) => `FOUND ${each}`),
  ].join('\n');
}

export function drainText({ conversations, before, starting, rows, verdict, findings }: DrainReport): string {
  const lines = rows.map((row) => {
    const [what, , , , pause, own, , errors, closes] = cells(row);
    return [what, `${row.moved} of ${conversations}`, pause, own, errors, closes].map(String);
  });
  const head = ['what', 'moved', HEAD[4], HEAD[5], 'errors seen', 'connections ended'].map(String);
  return [
    table([head, ...lines]),
    '',
    `slowest acks before, ms: ${inWords(before)}; while the process starts: ${inWords(starting)}; ${historyText(verdict)}`,
    ...findings.map((each) => `FOUND ${each}`),
  ].join('\n');
}

export function killText(report: KillReport): string {
  const { conversations, owned, firstAckMs, lwtPerSecond, errors, closes, verdict, findings } = report;
  const codes = Object.entries(errors).map(([code, count]) => `${code} ${count}`);
  return [
    `a sequencer that owned ${owned} of ${conversations} active conversations, killed (-9)`,
    `first ack again, ms: p50 / p99 / max: ${inWords(firstAckMs)}`,
    `the store's conditional writes by the bare driver: ${lwtPerSecond} per second`,
    `errors seen: ${codes.join(', ') || 'none'}; connections ended: ${closes}; ${historyText(verdict)}`,
    ...findings.map((each) => `FOUND ${each}`),
  ].join('\n');
}

function historyText({ acked, lost, duplicated, reordered, gaps }: ChaosReport['verdict']): string {
  return `acked ${acked}, lost ${lost}, duplicated ${duplicated}, reordered ${reordered}, permanent gaps ${gaps}`;
}

/** Markdown, for docs/faults.md. */
export function asMarkdown(report: ChaosReport, { date, command, machine, versions }: Surroundings): string {
  const lines = [HEAD, ...sorted(report.rows).map(cells)];
  const line = (all: readonly string[]): string => `| ${all.join(' | ')} |`;
  const { seed, rate } = report.options;
  return [
    '## Faults of a cluster, in any order',
    '',
    'Three sequencers, two edges, Cassandra and NATS with three nodes each, and Redis; every node reaches the store and the',
    'bus through proxies of its own. All share one machine, where the nodes of Cassandra run at a lower priority (`nice` 10):',
    'they would starve the rest, which they cannot on machines of their own. A seeded plan of faults, some of them two at a',
    'time, is played under load; then all is read back and held against what the clients saw, and `carillon check` walks the',
    'store. A long run first warms the store up with load and twenty kills, whose times are not among these: its compiler takes',
    'half a processor in the first take-overs. Idle workers of the store may sleep up to 1 ms too long, so as not to spin.',
    '',
    `${date}, \`${command}\` (seed ${seed}, about ${rate} messages/s), on ${machine}; ${versions}.`,
    '',
    `**${total(report)}.**`,
    '',
    line(HEAD),
    line(HEAD.map(() => '---')),
    ...lines.slice(1).map(line),
    '',
    '- *first ack again*: over the conversations of the sequencer that was struck: from then until a message that was sent',
    '  right then was acked.',
    '- *back after the outage*: from the first write at a quorum by a client that shares nothing with the nodes (of NATS:',
    '  from its restart) until a message that waited in each conversation was acked: the first of all, and over all.',
    "- *pause in a move*: the slowest ack of each conversation that moved; the nodes' own view has buckets, whose upper ends",
    '  are given.',
    ...overTheBar(report.rows).map((each) => `- ${each}.`),
    // Without stacks, which name paths of this machine.
    ...report.findings.map((each) => `- **${each.split('\n', 1)[0]}**`),
  ].join('\n');
}

/** The lease timeout, and a second. */
const FIRST_ACK_MS_MAX = 5_000;
const BACK_MS_MAX = 2_000;
const PAUSE_MS_MAX = 100;

/** Times that are longer than they should be: the machine's as much as the program's, so no findings. */
function overTheBar(rows: readonly Row[]): string[] {
  const over = (row: Row, what: string, ms: number, max: number): string[] =>
    ms > max ? [`over the bar: ${row.name}: ${what} ${ms} ms, of ${max}`] : [];
  return rows
    .filter(({ name }) => name !== 'two at once')
    .flatMap((row) => [
      ...over(row, 'p99 of the first ack again', spread(row.firstAcks).p99, FIRST_ACK_MS_MAX),
      ...over(row, 'first ack after the outage', spread(row.firstBacks).max, BACK_MS_MAX),
      ...over(row, 'p99 of a hand-over, up to', row.handoffMs(0.99), PAUSE_MS_MAX),
    ]);
}

/** Calm first, pairs last. */
function sorted(rows: readonly Row[]): Row[] {
  const rank = ({ name }: Row): number => (name === 'calm' ? 0 : name === 'two at once' ? 2 : 1);
  return rows.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

const BEGIN = '<!-- chaos: written by npm run chaos -- --write -->';
const END = '<!-- chaos: end -->';

/** The document with `section` in place of the one of an earlier run, or at its end. */
export function withSection(document: string, section: string): string {
  const whole = `${BEGIN}\n\n${section}\n\n${END}`;
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from === -1 || to === -1) return `${document.trimEnd()}\n\n${whole}\n`;
  return document.slice(0, from) + whole + document.slice(to + END.length);
}

/** What `withSection` put there, markers included; '' if nothing. */
export function sectionOf(document: string): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  return from === -1 || to === -1 ? '' : document.slice(from, to + END.length);
}
