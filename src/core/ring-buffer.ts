/** A queue of a stated capacity over a circular array that grows by doubling up to it. */
export class RingBuffer<T> {
  #items: (T | undefined)[];
  #head = 0;
  #length = 0;
  readonly #capacityMax: number;

  constructor(capacityMax: number) {
    this.#capacityMax = capacityMax;
    this.#items = new Array<T | undefined>(Math.min(8, capacityMax)).fill(undefined);
  }

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length === this.#capacityMax;
  }

  /** Adds at the end; false, and nothing changed, when it is full. */
  push(item: T): boolean {
    if (this.#length === this.#capacityMax) return false;
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) % this.#items.length] = item;
    this.#length++;
    return true;
  }

  /** Takes the oldest, or undefined when empty. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#items.length;
    this.#length--;
    return item;
  }

  /** The item `index` places behind the oldest. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#items[(this.#head + index) % this.#items.length];
  }

  clear(): void {
    this.#items.fill(undefined);
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const larger = new Array<T | undefined>(Math.min(this.#items.length * 2, this.#capacityMax)).fill(
      undefined,
    );
    for (let i = 0; i < this.#length; i++) larger[i] = this.#items[(this.#head + i) % this.#items.length];
    this.#items = larger;
    this.#head = 0;
  }
}
