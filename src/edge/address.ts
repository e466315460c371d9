import { isIP, SocketAddress } from 'node:net';

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** One spelling per address: IPv4 in dotted form (mapped ones too), IPv6 shortened. Other text stays as it is. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  return IPV4_MAPPED.exec(short)?.[1] ?? short;
}

/**
 * The client's address: the peer's, or behind a trusted proxy the last of X-Forwarded-For, the one that the
 * proxy itself wrote (those before it are the client's claims).
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trustProxy: boolean): string {
  if (trustProxy && forwardedFor) {
    const last = forwardedFor.slice(forwardedFor.lastIndexOf(',') + 1).trim();
    if (isIP(last) !== 0) return canonicalAddress(last);
  }
  return canonicalAddress(peer);
}

/** Whether an address, in its canonical form, is of this machine itself. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** What counts as one client for limits: an IPv4 address, or the /64 network of an IPv6 one. */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [left = '', right = ''] = address.split('::');
  const groups = left === '' ? [] : left.split(':');
  const tail = right === '' ? [] : right.split(':');
  while (groups.length + tail.length < 8 && groups.length < 4) groups.push('0');
  return `${[...groups, ...tail].slice(0, 4).join(':')}::/64`;
}
