/** What a run should not have seen: kept for its report, and told as it is found. */
export class Findings {
  readonly all: string[] = [];
  readonly #progress: (line: string) => void;
  readonly #max: number;

  /** Of more than `max` the rest is told alone. */
  constructor(progress: (line: string) => void, max = Number.POSITIVE_INFINITY) {
    this.#progress = progress;
    this.#max = max;
  }

  readonly add = (text: string): void => {
    this.#progress(`    FOUND ${text}`);
    if (this.all.length < this.#max) this.all.push(text);
  };
}
