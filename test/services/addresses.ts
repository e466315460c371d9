import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A free port of `host`, as of a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error(`no free port on ${host}`);
  return address.port;
}

/** `count` loopback addresses of this run's own: clusters whose nodes must share a port need one each. */
export function ownAddresses(count: number): string[] {
  const net = `127.${randomInt(10, 250)}.${randomInt(1, 250)}`;
  return Array.from({ length: count }, (_, i) => `${net}.${i + 1}`);
}
