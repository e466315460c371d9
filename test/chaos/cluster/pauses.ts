import type { Observer, Talk } from '../talks.ts';

/** The slowest ack of each conversation since `begin`: from sending, so a pause in between is in it. */
export class Pauses implements Observer {
  readonly #slowest = new Map<string, number>();

  begin(): void {
    this.#slowest.clear();
  }

  /** In ms, of these conversations, as far as any message of theirs was acked. */
  of(convs: Iterable<string>): number[] {
    return [...convs].flatMap((conv) => this.#slowest.get(conv) ?? []);
  }

  acked({ conv }: Talk, _seq: number, sentAt: number): void {
    const ms = performance.now() - sentAt;
    if (ms > (this.#slowest.get(conv) ?? 0)) this.#slowest.set(conv, ms);
  }

  received(): void {
    // Deliveries are the meter's.
  }
}

/** Tells several. */
export class Observers implements Observer {
  readonly #all: readonly Observer[];

  constructor(all: readonly Observer[]) {
    this.#all = all;
  }

  acked(talk: Talk, seq: number, sentAt: number): void {
    for (const each of this.#all) each.acked(talk, seq, sentAt);
  }

  received(talk: Talk, seq: number): void {
    for (const each of this.#all) each.received(talk, seq);
  }
}

/** The value that a share of all does not exceed; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? sorted[0] ?? 0;
}
