import type { System, Timer } from '../core/ports.ts';
import { PRESENCE_REFRESH_MS, type Presence } from '../core/presence-port.ts';
import type { EdgeBounds } from './bounds.ts';
import type { Account, Registry } from './registry.ts';
import type { Session } from './session.ts';

const TICK_MS = 100;

export interface PresenceReportsOptions {
  /** The edge's id. */
  readonly id: string;
  readonly system: System;
  readonly presence: Presence;
  readonly registry: Registry;
  readonly bounds: Pick<EdgeBounds, 'presenceReportsPerTickMax'>;
}

/**
 * Tells presence of the devices that are connected here: when they come and go, and again every
 * PRESENCE_REFRESH_MS, since what is told expires. One round over all sessions takes about that long, a few per tick.
 */
export class PresenceReports {
  readonly #options: PresenceReportsOptions;
  readonly #timer: Timer;
  /** How far the round has come; those who join during it come last. */
  #round: Iterator<Session> | undefined;

  constructor(options: PresenceReportsOptions) {
    this.#options = options;
    this.#timer = options.system.every(TICK_MS, () => this.#tick());
  }

  joined({ user, device }: Session): void {
    const { presence, id } = this.#options;
    presence.online(user, device, id);
  }

  /** The session is no more the account's; a newer one of its device may be. */
  left({ user, device }: Session, account: Account): void {
    const { presence, id } = this.#options;
    if (account.of(device) === undefined) presence.offline(user, device, id);
  }

  stop(): void {
    this.#timer.cancel();
  }

  #tick(): void {
    const { registry, bounds } = this.#options;
    const share = Math.ceil((registry.size * TICK_MS) / PRESENCE_REFRESH_MS);
    for (let left = Math.min(share, bounds.presenceReportsPerTickMax); left > 0; left--) {
      this.#round ??= registry.all();
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = undefined;
        return;
      }
      if (next.value.account !== undefined) this.joined(next.value);
    }
  }
}
