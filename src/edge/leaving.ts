import type { System } from '../core/ports.ts';
import type { SessionCloser } from './farewell.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Registry } from './registry.ts';

const LOOK_MS = 20;
/** Sockets closed in one turn. */
const CLOSES_PER_TURN = 500;
const RECONNECT_MS_MIN = 500;

export interface LeavingOptions {
  readonly system: System;
  readonly registry: Registry;
  readonly open: OpenRequests;
  readonly closer: SessionCloser;
  /** Clients are asked to come back within this time, each at a moment of its own. */
  readonly reconnectSpreadMs: number;
}

/** The way out: what is under way is answered, then each client is sent elsewhere. */
export class Leaving {
  readonly #options: LeavingOptions;

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /** Resolves when all sessions are closed; whatever is unanswered at the deadline stays so. */
  async leave(deadlineMs: number): Promise<void> {
    const { system, open, registry } = this.#options;
    const deadline = system.monotonic() + deadlineMs;
    while (open.total > 0 && system.monotonic() < deadline) await this.#pause(LOOK_MS);
    await this.#turn(); // what was answered last is written
    while (registry.size > 0) {
      let left = CLOSES_PER_TURN;
      for (const session of registry.all()) {
        if (left-- === 0) break;
        this.#options.closer.close(session, 'draining', this.#retryAfterMs());
      }
      await this.#turn();
    }
  }

  #retryAfterMs(): number {
    const [high = 0, low = 0] = this.#options.system.random(2);
    const share = (high * 256 + low) / 65_536;
    return Math.round(
      RECONNECT_MS_MIN + share * Math.max(0, this.#options.reconnectSpreadMs - RECONNECT_MS_MIN),
    );
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.system.after(ms, resolve);
    });
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.system.soon(resolve));
  }
}
