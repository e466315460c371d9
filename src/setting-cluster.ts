import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { checkOptions } from './adapters/nats/options.ts';
import { checkUrl } from './adapters/redis/options.ts';
import { checkKeyspace, parseAddressMap } from './adapters/scylla/options.ts';
import { contents, type Parsed, type Setting } from './setting.ts';

/** The kinds of settings that a cluster has beside those of setting.ts. */

/** Which parts of the server a process runs. */
export interface Roles {
  readonly edge: boolean;
  readonly sequencer: boolean;
}

const ROLES = ['edge', 'sequencer'];

export function roles(name: string, help: string): Setting<Roles> {
  const parse = (given: string): Parsed<Roles> => {
    const asked = listOf(given);
    const known = 'all, or edge and sequencer with a comma between';
    if (asked.includes('push')) return { must: `${known}: this version does not support push yet` };
    if (given === 'all') return { value: { edge: true, sequencer: true } };
    if (!asked.every((one) => ROLES.includes(one))) return { must: known };
    return { value: { edge: asked.includes('edge'), sequencer: asked.includes('sequencer') } };
  };
  return { name, type: 'all | edge,…', default: 'all', help, parse };
}

export function contactPoints(name: string, help: string): Setting<readonly string[]> {
  const parse = (given: string): Parsed<readonly string[]> => {
    const value = listOf(given);
    const wrong = value.find((one) => !isEndpoint(one));
    return wrong === undefined
      ? { value }
      : { must: `names or addresses, such as 10.0.0.1:9042,10.0.0.2; ${JSON.stringify(wrong)} is none` };
  };
  return { name, type: 'host:port,…', default: undefined, help, parse };
}

export function keyspace(name: string, fallback: string, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> =>
    accepts(() => checkKeyspace(given))
      ? { value: given }
      : { must: '1 to 48 of a-z, 0-9 and _, a letter first' };
  return { name, type: 'name', default: fallback, help, parse };
}

export function addressMap(name: string, help: string): Setting<ReadonlyMap<string, string>> {
  const parse = (given: string): Parsed<ReadonlyMap<string, string>> => {
    const wrong = given.split(',').find((pair) => !isAddressPair(pair));
    if (wrong === undefined) return { value: parseAddressMap(given) };
    return {
      must: `pairs of theirs=ours, such as 10.0.0.1:9042=127.0.0.1:19042; ${JSON.stringify(wrong)} is none`,
    };
  };
  return { name, type: 'theirs=ours,…', default: undefined, help, parse };
}

export function natsServers(name: string, help: string): Setting<readonly string[]> {
  const parse = (given: string): Parsed<readonly string[]> => {
    const value = listOf(given);
    return value.every(isNatsServer)
      ? { value }
      : {
          must: 'nats://host:port (tls: for TLS), or several with commas between, users and passwords apart',
        };
  };
  return { name, type: 'URL,…', default: undefined, help, secret: true, parse };
}

export function redisUrl(name: string, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> =>
    accepts(() => checkUrl(given)) && isRedisPlace(new URL(given))
      ? { value: given }
      : {
          must: 'redis://host:port, or rediss: for TLS; user:password@ before and /database behind if need be',
        };
  return { name, type: 'URL', default: undefined, help, secret: true, parse };
}

export function certificates(name: string, help: string): Setting<string> {
  return contents(name, help, 'certificates in PEM form', (text) => accepts(() => new X509Certificate(text)));
}

export function natsCredentials(name: string, help: string): Setting<string> {
  const what = "a user's JWT and seed, as `nsc generate creds` writes it";
  const holds = (text: string): boolean =>
    text.includes('-----BEGIN NATS USER JWT-----') && text.includes('-----BEGIN USER NKEY SEED-----');
  return contents(name, help, what, holds);
}

function listOf(given: string): string[] {
  return given.split(',').map((one) => one.trim());
}

function accepts(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** `host`, `host:port`, an IPv6 address, or `[IPv6 address]:port`. */
function isEndpoint(given: string): boolean {
  if (isIPv6(given)) return true;
  const parts = /^(?:\[(?<v6>[^\]]+)\](?=:)|[\w.-]+)(?::(?<port>\d{1,5}))?$/.exec(given)?.groups;
  if (parts === undefined) return false;
  const { v6, port } = parts;
  return (v6 === undefined || isIPv6(v6)) && (port === undefined || isPort(Number(port)));
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

function isAddressPair(pair: string): boolean {
  const sides = pair.split('=').map((side) => side.trim());
  return sides.length === 2 && sides.every(isEndpoint);
}

function isNatsServer(given: string): boolean {
  return accepts(() => checkOptions({ servers: [given] })) && URL.canParse(given.replace(/^\w+:/, 'http:'));
}

function isRedisPlace({ hostname, pathname }: URL): boolean {
  return hostname !== '' && /^\/?\d*$/.test(pathname);
}
