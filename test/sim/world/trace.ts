import type { SimStore } from '../store/sim-store.ts';

/** The lines of a run's trace, if anybody wants them. */
export class Trace {
  readonly lines: string[] | undefined;
  readonly #now: () => number;
  readonly #short = new Map<string, string>();

  constructor(isWanted: boolean, now: () => number) {
    this.lines = isWanted ? [] : undefined;
    this.#now = now;
  }

  say(who: string, what: string): void {
    this.lines?.push(`${this.#now().toFixed(0).padStart(6)} ${who.padEnd(6)} ${this.#abbreviate(what)}`);
  }

  /** Has what becomes of every write said. */
  follow(store: SimStore): void {
    if (this.lines === undefined) return;
    store.onLwt(({ client, operation, key, what, row }) => {
      if (operation !== 'heartbeat')
        this.say(client, `${operation} ${key}: ${what} ${JSON.stringify(row) ?? ''}`);
    });
    store.onWrite(({ client, operation, mutation, outcome }) => {
      const keys = mutation.cells.map(({ key }) => key).join(' ');
      this.say(client, `${operation} ${mutation.partition} [${keys}]: ${outcome}`);
    });
  }

  /** UUIDs are told apart by little: the first of them is #1. */
  #abbreviate(text: string): string {
    return text.replaceAll(UUID, (uuid) => {
      let short = this.#short.get(uuid);
      if (short === undefined) this.#short.set(uuid, (short = `#${this.#short.size + 1}`));
      return short;
    });
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
