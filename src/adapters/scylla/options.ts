/** How the adapter reaches its cluster. */
export interface ScyllaOptions {
  /** Names or addresses, each with a port or without (9042). */
  readonly contactPoints: readonly string[];
  readonly keyspace: string;
  /** The only data centre that is spoken to: LOCAL_QUORUM and LOCAL_SERIAL are its own. */
  readonly localDc: string;
  readonly user?: string;
  readonly password?: string;
  /** The PEM text of the authorities that may sign the servers' certificates; TLS is used when it is given. */
  readonly tlsCa?: string;
  /** `address:port` as the servers tell it -> `address:port` to connect to. */
  readonly addressMap?: ReadonlyMap<string, string>;
  readonly readTimeoutMs?: number;
  readonly leaseTimeoutMs?: number;
  /** Per server; what is asked beyond it counts as `unavailable`. */
  readonly requestsMax?: number;
}

export const DEFAULTS = {
  port: 9042,
  /** Longer than the server's own 2 s for a write, so that mostly it is the server that says how a write ended. */
  readTimeoutMs: 2_500,
  leaseTimeoutMs: 1_000,
  requestsMax: 2_048,
} as const;

const KEYSPACE = /^[a-z][a-z0-9_]{0,47}$/;

/** The keyspace stands in the text of every statement. */
export function checkKeyspace(keyspace: string): string {
  if (KEYSPACE.test(keyspace)) return keyspace;
  throw new RangeError(
    `the keyspace must be 1 to 48 of a-z, 0-9 and _, a letter first, not ${JSON.stringify(keyspace)}`,
  );
}

/** Reads `10.0.0.1:9042=127.0.0.1:19042,10.0.0.2=127.0.0.1:19043`; a missing port is 9042. */
export function parseAddressMap(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const pair of text.split(',')) {
    const [from, to, ...rest] = pair.split('=').map((each) => each.trim());
    if (!from || !to || rest.length > 0)
      throw new RangeError(`an address map is a list of their=ours pairs, not ${JSON.stringify(pair)}`);
    map.set(withPort(from), withPort(to));
  }
  return map;
}

/** IPv6 addresses stand in brackets when a port follows. */
export function withPort(address: string): string {
  if (/^\[.*\]:\d+$/.test(address) || /^[^:]+:\d+$/.test(address)) return address;
  return `${address}:${DEFAULTS.port}`;
}
