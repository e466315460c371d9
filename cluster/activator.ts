import type { Activation } from '../src/core/actor.ts';
import type { NodeId } from '../src/core/ids.ts';
import { type Logger, StoreUnavailable, type System } from '../src/core/ports.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import { type Activated, type ActivationPorts, activate } from './activation.ts';
import type { Cell } from './cell.ts';
import { OpeningPace } from './opening-pace.ts';

const AGAIN_MS = 250;
const FAILED: Activated = { t: 'unavailable', retryAfterMs: 500, again: false };
const STORE_AWAY: Activated = { ...FAILED, again: true };

export interface ActivatorListener {
  activated(cell: Cell, activation: Activation, recovered: boolean): void;
  notActivated(cell: Cell, retryAfterMs: number): void;
  ownedElsewhere(cell: Cell, owner: NodeId): void;
}

export interface ActivatorOptions {
  readonly ports: ActivationPorts;
  readonly system: System;
  readonly logger: Logger;
  readonly cellsMax: number;
  /** For how long one that the store fails is tried again; what is asked of it waits meanwhile. */
  readonly againMsMax: number;
}

/** Activates cells, a bounded number at a time, in the order asked. */
export class Activator {
  readonly #o: ActivatorOptions;
  readonly #listener: ActivatorListener;
  readonly #waiting: RingBuffer<Cell>;
  readonly #pace = new OpeningPace();
  #inFlight = 0;
  /** They wait for another try. */
  #failed = 0;

  constructor(options: ActivatorOptions, listener: ActivatorListener) {
    this.#o = options;
    this.#listener = listener;
    this.#waiting = new RingBuffer<Cell>(options.cellsMax);
  }

  /** Those that nothing is done about yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get pending(): number {
    return this.#inFlight + this.#failed + this.#waiting.length;
  }

  /** A cell is under activation at most once, so the queue holds each cell at most once. */
  activate(cell: Cell): void {
    cell.activating = true;
    cell.activatingSince = this.#o.system.monotonic();
    this.#start(cell);
  }

  #start(cell: Cell): void {
    this.#waiting.push(cell);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#inFlight < this.#pace.atOnce) {
      const cell = this.#waiting.shift();
      if (cell === undefined) return;
      void this.#run(cell);
    }
  }

  async #run(cell: Cell): Promise<void> {
    this.#inFlight++;
    await this.#one(cell);
    this.#inFlight--;
    if (this.pending === 0) this.#pace.rest();
    this.#startNext();
  }

  async #one(cell: Cell): Promise<void> {
    const { system } = this.#o;
    const startedAt = system.monotonic();
    const activated = await this.#try(cell);
    if (activated.t === 'unavailable' && activated.again && this.#hasTime(cell)) {
      this.#failed++;
      system.after(AGAIN_MS, () => {
        this.#failed--;
        this.#start(cell);
      });
      return;
    }
    cell.activating = false;
    if (activated.t === 'activation') {
      if (activated.recovered) this.#pace.tookOver(system.monotonic() - startedAt);
      this.#listener.activated(cell, activated.activation, activated.recovered);
    } else if (activated.t === 'notOwner') this.#listener.ownedElsewhere(cell, activated.owner);
    else this.#listener.notActivated(cell, activated.retryAfterMs);
  }

  #hasTime({ activatingSince }: Cell): boolean {
    const { system, againMsMax } = this.#o;
    return system.monotonic() + AGAIN_MS - activatingSince < againMsMax;
  }

  async #try({ conv }: Cell): Promise<Activated> {
    const { ports, logger } = this.#o;
    try {
      return await activate(conv, ports);
    } catch (error) {
      logger.error({ err: error, conv }, 'a conversation could not be read');
      return error instanceof StoreUnavailable ? STORE_AWAY : FAILED;
    }
  }
}
