import type { Activation } from '../src/core/actor.ts';
import type { NodeId } from '../src/core/ids.ts';
import type { Logger } from '../src/core/ports.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import { type Activated, type ActivationPorts, activate } from './activation.ts';
import type { Cell } from './cell.ts';

const IN_FLIGHT_MAX = 16;
const FAILED_RETRY_MS = 500;

export interface ActivatorListener {
  activated(cell: Cell, activation: Activation, recovered: boolean): void;
  notActivated(cell: Cell, retryAfterMs: number): void;
  ownedElsewhere(cell: Cell, owner: NodeId): void;
}

/** Activates cells, a bounded number at a time, in the order asked. */
export class Activator {
  readonly #ports: ActivationPorts;
  readonly #logger: Logger;
  readonly #listener: ActivatorListener;
  readonly #waiting: RingBuffer<Cell>;
  #inFlight = 0;

  constructor(ports: ActivationPorts, logger: Logger, cellsMax: number, listener: ActivatorListener) {
    this.#ports = ports;
    this.#logger = logger;
    this.#listener = listener;
    this.#waiting = new RingBuffer<Cell>(cellsMax);
  }

  get pending(): number {
    return this.#inFlight + this.#waiting.length;
  }

  /** A cell is under activation at most once, so the queue holds each cell at most once. */
  activate(cell: Cell): void {
    cell.activating = true;
    if (this.#inFlight < IN_FLIGHT_MAX) void this.#run(cell);
    else this.#waiting.push(cell);
  }

  async #run(first: Cell): Promise<void> {
    this.#inFlight++;
    for (let cell: Cell | undefined = first; cell !== undefined; cell = this.#waiting.shift())
      await this.#one(cell);
    this.#inFlight--;
  }

  async #one(cell: Cell): Promise<void> {
    let activated: Activated = { t: 'unavailable', retryAfterMs: FAILED_RETRY_MS };
    try {
      activated = await activate(cell.conv, this.#ports);
    } catch (error) {
      this.#logger.error({ err: error, conv: cell.conv }, 'a conversation could not be read');
    }
    cell.activating = false;
    if (activated.t === 'activation')
      this.#listener.activated(cell, activated.activation, activated.recovered);
    else if (activated.t === 'notOwner') this.#listener.ownedElsewhere(cell, activated.owner);
    else this.#listener.notActivated(cell, activated.retryAfterMs);
  }
}
