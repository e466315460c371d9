import type { DeviceId, UserId } from '../../core/ids.ts';
import type { System } from '../../core/ports.ts';
import { type DeviceAt, PRESENCE_MS, type Presence, type Unknown } from '../../core/presence-port.ts';
import { NO_REPLY, type RedisLink, type ScriptCall, scriptForEachKey, type Write } from './link.ts';

/**
 * Per user a sorted set of `device edge`, scored by when it expires (Unix ms of the edge's clock). Each edge
 * changes its own members alone, so nothing depends on the order in which edges are heard.
 */
export class RedisPresence implements Presence {
  readonly #link: RedisLink;
  readonly #system: Pick<System, 'now'>;
  readonly #presenceMs: number;

  constructor(link: RedisLink, system: Pick<System, 'now'>, options: { readonly presenceMs?: number } = {}) {
    this.#link = link;
    this.#system = system;
    this.#presenceMs = options.presenceMs ?? PRESENCE_MS;
  }

  online(user: UserId, device: DeviceId, edge: string): void {
    const now = this.#system.now();
    const member = `${device} ${edge}`;
    this.#link.write(`p ${user} ${member}`, new Online(user, member, now, this.#presenceMs));
  }

  offline(user: UserId, device: DeviceId, edge: string): void {
    const member = `${device} ${edge}`;
    this.#link.write(`p ${user} ${member}`, new Offline(user, member));
  }

  async devices(user: UserId): Promise<readonly DeviceAt[] | Unknown> {
    const now = this.#system.now();
    const members = await this.#link.read((pipeline, prefix) =>
      pipeline.zrangebyscore(keyOf(prefix, user), `(${now}`, '+inf'),
    );
    if (members === NO_REPLY) return 'unknown';
    const last = new Map<DeviceId, string>();
    for (const member of members as string[]) {
      const [device = '', edge] = member.split(' ');
      if (edge !== undefined) last.set(device, edge); // rising by time; without a space it is not of our making
    }
    return [...last]
      .map(([device, edge]) => ({ device, edge }))
      .sort((a, b) => (a.device < b.device ? -1 : 1));
  }
}

/** Roughly what an entry costs beside its member. */
const ENTRY_BYTES = 160;

function keyOf(prefix: string, user: UserId): string {
  return `${prefix}p:${user}`;
}

const ONLINE = scriptForEachKey(`
  local member, now, ms = take(), take(), take()
  call('ZADD', key, now + ms, member)
  call('ZREMRANGEBYSCORE', key, '-inf', now)
  call('PEXPIRE', key, ms)`);

class Online implements Write {
  readonly script = ONLINE;
  readonly bytes: number;
  readonly #user: UserId;
  readonly #member: string;
  readonly #now: number;
  readonly #presenceMs: number;

  constructor(user: UserId, member: string, now: number, presenceMs: number) {
    this.bytes = member.length + ENTRY_BYTES;
    this.#user = user;
    this.#member = member;
    this.#now = now;
    this.#presenceMs = presenceMs;
  }

  addTo({ keys, args }: ScriptCall, prefix: string): void {
    keys.push(keyOf(prefix, this.#user));
    args.push(this.#member, this.#now, this.#presenceMs);
  }
}

const OFFLINE = scriptForEachKey("  call('ZREM', key, take())");

class Offline implements Write {
  readonly script = OFFLINE;
  readonly bytes: number;
  readonly #user: UserId;
  readonly #member: string;

  constructor(user: UserId, member: string) {
    this.bytes = member.length + ENTRY_BYTES;
    this.#user = user;
    this.#member = member;
  }

  addTo({ keys, args }: ScriptCall, prefix: string): void {
    keys.push(keyOf(prefix, this.#user));
    args.push(this.#member);
  }
}
