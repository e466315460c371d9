import { build, type Histogram } from 'hdr-histogram-js';
import type { Latency } from '../plan.ts';

const MAX_US = 120_000_000;
/** Latencies below it are counted by the microsecond first: a fifth of what the histogram costs per value. */
const FLAT_US = 2 ** 17;

/** Latencies of the measured time, in microseconds, to three digits. */
export class LatencyRecorder {
  readonly #flat = new Uint32Array(FLAT_US);
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_US,
    numberOfSignificantValueDigits: 3,
  });

  recordMs(ms: number): void {
    const us = (ms * 1000 + 0.5) | 0;
    if (us < FLAT_US && us >= 0) this.#flat[us] = (this.#flat[us] as number) + 1;
    else this.#histogram.recordValue(us < 0 || us > MAX_US ? MAX_US : us);
  }

  /** To be called once. */
  summary(): Latency {
    const h = this.#histogram;
    this.#flat.forEach((count, us) => {
      if (count > 0) h.recordValueWithCount(Math.max(1, us), count);
    });
    if (h.totalCount === 0) return { count: 0, meanUs: 0, p50Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 };
    return {
      count: h.totalCount,
      meanUs: Math.round(h.mean),
      p50Us: h.getValueAtPercentile(50),
      p99Us: h.getValueAtPercentile(99),
      p999Us: h.getValueAtPercentile(99.9),
      maxUs: h.maxValue,
    };
  }
}
