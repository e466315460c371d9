import type { Seen } from '../faults-meter.ts';
import { type HandoffTimes, handoffCount, handoffQuantile, together } from './handoff-metric.ts';
import { quantile } from './pauses.ts';
import type { Measures } from './scene.ts';

/** What was seen of one kind of scene, over all times that it was played. Times in ms. */
export class Row {
  readonly name: string;
  readonly what: string;
  times = 0;
  readonly errors: Record<string, number> = {};
  closes = 0;
  silenceMs = 0;
  deliveryMs = 0;
  moved = 0;
  readonly firstAcks: number[] = [];
  readonly pauses: number[] = [];
  readonly backs: number[] = [];
  readonly firstBacks: number[] = [];
  readonly #handoffs: HandoffTimes[] = [];

  constructor(name: string, what: string) {
    this.name = name;
    this.what = what;
  }

  add(seen: Seen, all: readonly Measures[]): void {
    this.times++;
    for (const [code, count] of Object.entries(seen.errors))
      this.errors[code] = (this.errors[code] ?? 0) + count;
    this.closes += seen.closes;
    this.silenceMs = Math.max(this.silenceMs, Math.round(seen.silenceMs));
    this.deliveryMs = Math.max(this.deliveryMs, Math.round(seen.deliveryMs));
    for (const { firstAcks, pauses, handoffs, backs, moved } of all) {
      this.firstAcks.push(...firstAcks);
      this.pauses.push(...pauses);
      this.backs.push(...backs);
      if (backs.length > 0) this.firstBacks.push(Math.min(...backs));
      this.#handoffs.push(...handoffs);
      this.moved += moved;
    }
  }

  /** Hand-overs, as the nodes counted them. */
  get handoffs(): number {
    return handoffCount(together(this.#handoffs));
  }

  /** Of their pauses, as the nodes measured them: the upper end of the bucket. */
  handoffMs(share: number): number {
    return handoffQuantile(together(this.#handoffs), share);
  }

  /** For scripts. */
  toJSON(): object {
    const { name, what, times, errors, closes, silenceMs, deliveryMs, moved } = this;
    return {
      ...{ name, what, times, errors, closes, silenceMs, deliveryMs, moved },
      firstAckMs: spread(this.firstAcks),
      pauseMs: spread(this.pauses),
      handoffMs: {
        count: this.handoffs,
        p50: this.handoffMs(0.5),
        p99: this.handoffMs(0.99),
        max: this.handoffMs(1),
      },
      backMs: { first: spread(this.firstBacks), all: spread(this.backs) },
    };
  }
}

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Whole milliseconds. */
export function spread(values: readonly number[]): Spread {
  const at = (share: number): number => Math.round(quantile(values, share));
  return { count: values.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
