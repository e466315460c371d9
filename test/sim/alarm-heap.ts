/** Something to be done at a time of the virtual clock. */
export interface Alarm {
  at: number;
  /** Of several due at one time, the order of their being set. */
  order: number;
  readonly everyMs: number | undefined;
  readonly task: () => void;
  cancelled: boolean;
}

/** Alarms by time, then by order: a binary heap. Cancelled ones are dropped when they come up. */
export class AlarmHeap {
  readonly #heap: Alarm[] = [];

  get first(): Alarm | undefined {
    while (this.#heap[0]?.cancelled === true) this.take();
    return this.#heap[0];
  }

  add(alarm: Alarm): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(alarm);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Alarm;
      if (!isBefore(alarm, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = alarm;
  }

  /** Removes the first. */
  take(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Alarm)) child++;
      const below = heap[child] as Alarm;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
