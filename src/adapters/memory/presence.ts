import type { DeviceId, UserId } from '../../core/ids.ts';
import type { System } from '../../core/ports.ts';
import { type DeviceAt, PRESENCE_MS, type Presence, type Unknown } from '../../core/presence-port.ts';

export interface MemoryPresenceOptions {
  readonly presenceMs?: number;
  readonly usersMax?: number;
}

const USERS_MAX = 1_000_000;
/** Each user that is told of has this many others looked at, oldest first: so what expired goes. */
const SWEPT_PER_CALL = 2;

/** Presence in memory: what one process knows. */
export class MemoryPresence implements Presence {
  /** While false, reads are unknown and what is told is lost. */
  available = true;
  readonly #system: Pick<System, 'now'>;
  readonly #presenceMs: number;
  readonly #usersMax: number;
  /** user -> device -> edge -> when it expires; users in the order last told of. */
  readonly #users = new Map<UserId, Map<DeviceId, Map<string, number>>>();

  constructor(system: Pick<System, 'now'>, options: MemoryPresenceOptions = {}) {
    this.#system = system;
    this.#presenceMs = options.presenceMs ?? PRESENCE_MS;
    this.#usersMax = options.usersMax ?? USERS_MAX;
  }

  online(user: UserId, device: DeviceId, edge: string): void {
    if (!this.available) return;
    const devices = this.#users.get(user) ?? new Map<DeviceId, Map<string, number>>();
    this.#sweep();
    if (!this.#users.delete(user) && this.#users.size >= this.#usersMax) return;
    this.#users.set(user, devices);
    const edges = devices.get(device) ?? new Map<string, number>();
    devices.set(device, edges);
    edges.delete(edge); // the last told of stands last
    edges.set(edge, this.#system.now() + this.#presenceMs);
  }

  offline(user: UserId, device: DeviceId, edge: string): void {
    if (!this.available) return;
    const devices = this.#users.get(user);
    const edges = devices?.get(device);
    if (devices === undefined || edges === undefined) return;
    edges.delete(edge);
    if (edges.size === 0) devices.delete(device);
    if (devices.size === 0) this.#users.delete(user);
  }

  async devices(user: UserId): Promise<readonly DeviceAt[] | Unknown> {
    if (!this.available) return 'unknown';
    this.#expire(user);
    const found: DeviceAt[] = [];
    for (const [device, edges] of this.#users.get(user) ?? [])
      found.push({ device, edge: [...edges.keys()].at(-1) as string });
    return found.sort((a, b) => (a.device < b.device ? -1 : 1));
  }

  /** Forgets everything, as a flushed service does. */
  flush(): void {
    this.#users.clear();
  }

  #sweep(): void {
    let left = SWEPT_PER_CALL;
    for (const user of this.#users.keys()) {
      this.#expire(user);
      if (--left === 0) return;
    }
  }

  #expire(user: UserId): void {
    const devices = this.#users.get(user);
    if (devices === undefined) return;
    const now = this.#system.now();
    for (const [device, edges] of devices) {
      for (const [edge, at] of edges) if (at <= now) edges.delete(edge);
      if (edges.size === 0) devices.delete(device);
    }
    if (devices.size === 0) this.#users.delete(user);
  }
}
