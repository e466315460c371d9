import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what the system takes ports from for outgoing connections: one of those could take it until it is used. */
const [PORT_MIN, PORT_MAX] = [15_000, 32_000] as const;
const TRIES_MAX = 50;
/** What this process was given: it may not have begun to listen yet. */
const given = new Set<number>();

/** A free port of `host`, as of a moment ago; each time another one. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port, host)) return port;
  }
  throw new Error(`no free port on ${host}`);
}

async function isFree(port: number, host: string): Promise<boolean> {
  const probe = createServer();
  try {
    await once(probe.listen(port, host), 'listening');
  } catch {
    return false; // `error`: it is in use
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

/** `count` loopback addresses of this run's own: clusters whose nodes must share a port need one each. */
export function ownAddresses(count: number): string[] {
  const net = `127.${randomInt(10, 250)}.${randomInt(1, 250)}`;
  return Array.from({ length: count }, (_, i) => `${net}.${i + 1}`);
}
