import type { Outcome } from './world/run-seed.ts';

const FAILURES_SHOWN_MAX = 10;
const FINDINGS_SHOWN_MAX = 4;

/** What runs came to, together. */
export class Report {
  seeds = 0;
  virtualMs = 0;
  sends = 0;
  acked = 0;
  crashes = 0;
  takeovers = 0;
  handOvers = 0;
  readonly faults: Record<string, number> = {};
  readonly profiles: Record<string, number> = {};
  readonly failed: Outcome[] = [];

  add(outcome: Outcome): void {
    const { tally, findings } = outcome;
    this.seeds++;
    this.virtualMs += outcome.virtualMs;
    this.acked += outcome.acked;
    this.sends += tally.sends;
    this.crashes += tally.crashes;
    this.takeovers += tally.takeovers;
    this.handOvers += tally.handOvers;
    this.profiles[outcome.profile] = (this.profiles[outcome.profile] ?? 0) + 1;
    for (const [kind, count] of Object.entries(tally.faults))
      this.faults[kind] = (this.faults[kind] ?? 0) + count;
    if (findings.length > 0) this.failed.push(outcome);
  }

  json(): object {
    const { failed, ...sums } = this;
    const failures = failed.map(({ seed, profile, findings }) => ({ seed, profile, findings }));
    return { ...sums, failures };
  }

  text(): string {
    const rows: [string, string | number][] = [
      ['seeds', this.seeds],
      ['virtual seconds', Math.round(this.virtualMs / 1_000)],
      ['messages sent', this.sends],
      ['messages acked', this.acked],
      ['processes crashed', this.crashes],
      ['take-overs', this.takeovers],
      ['hand-overs', this.handOvers],
      ...sorted(this.faults).map(([kind, count]): [string, number] => [`fault ${kind}`, count]),
      ...sorted(this.profiles).map(([name, count]): [string, number] => [`profile ${name}`, count]),
      ['failures', this.failed.length],
    ];
    const width = Math.max(...rows.map(([name]) => name.length));
    const table = rows.map(([name, value]) => `${name.padEnd(width)}  ${value.toLocaleString('en')}`);
    return [...table, ...this.#failures()].join('\n');
  }

  #failures(): string[] {
    const first = [...this.failed].sort((a, b) => a.seed - b.seed).slice(0, FAILURES_SHOWN_MAX);
    return first.flatMap(({ seed, profile, findings }) => [
      '',
      `seed ${seed} (${profile}), replayed by: npm run sim -- --seed ${seed}`,
      ...findings.slice(0, FINDINGS_SHOWN_MAX).map(({ checker, words }) => `  ${checker}: ${words}`),
      ...(findings.length > FINDINGS_SHOWN_MAX ? [`  and ${findings.length - FINDINGS_SHOWN_MAX} more`] : []),
    ]);
  }
}

function sorted(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
}
