/** A part of the overlays that was frozen to be written to its table in bulk. */
export interface FrozenPart {
  readonly count: number;
  /** Puts (or removes) row `index`, in table order; part of a transaction. */
  write(index: number): void;
  /** All rows are in the table, for readers too: the overlay can forget them. */
  written(): void;
}

export const NOTHING: FrozenPart = { count: 0, write: () => undefined, written: () => undefined };

/**
 * The order of rows by a 32-bit rank each, and by their number among equals. Numbers packed with numbers,
 * since a typed array sorts without calling back; sorted when first asked for, so that no one turn of the loop
 * sorts all parts of a bulk.
 */
export class RankedOrder {
  readonly #count: number;
  readonly #rank: (index: number) => number;
  #order: Float64Array | undefined;

  constructor(count: number, rank: (index: number) => number) {
    this.#count = count;
    this.#rank = rank;
  }

  at(place: number): number {
    this.#order ??= this.#sort();
    return (this.#order[place] as number) % ROWS_MAX;
  }

  #sort(): Float64Array {
    const order = new Float64Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = this.#rank(i) * ROWS_MAX + i;
    return order.sort();
  }
}

/** What a bulk may hold at most, for 32 bits of rank and 20 of row number to fit a double. */
export const ROWS_MAX = 2 ** 20;
