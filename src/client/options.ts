import type { WireLimits } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Codec } from './codec.ts';
import type { WebSocketClass } from './socket.ts';
import { type ClientStorage, memoryStorage } from './storage.ts';
import { type ClientSystem, realSystem } from './system.ts';
import type { TokenSource } from './token.ts';

export interface ClientOptions {
  /**
   * `ws://host:port/v1/connect`, or `wss://…`; http and https are taken for them. Of several, which must be edges of one
   * cluster, the next is tried whenever a connection ends or fails.
   */
  readonly url: string | readonly string[];
  readonly token: TokenSource;
  readonly codec: Codec;
  /** The implementation, or a promise of it; default: the global one. */
  readonly webSocket?: WebSocketClass | Promise<WebSocketClass>;
  /** 1–64 of `A-Z a-z 0-9 . _ @ : -`; default: the one in `storage`, else a fresh one. One connection each. */
  readonly device?: string;
  /** Default: memory. */
  readonly storage?: ClientStorage;
  readonly system?: ClientSystem;
  /** For all but `send`, over reconnects and retries. */
  readonly requestTimeoutMs?: number;
  readonly requestsMax?: number;
  /** Unacked messages per conversation. */
  readonly outboxMax?: number;
  readonly inFlightMax?: number;
  readonly inFlightTotalMax?: number;
  readonly conversationsMax?: number;
  /** Whether the server is told what has come to this device, for others to see (true). */
  readonly reportDelivered?: boolean;
}

export type Settings = Required<Omit<ClientOptions, 'device' | 'url'>> & {
  /** One at least. */
  readonly urls: readonly string[];
  readonly limits: WireLimits;
};

const DEFAULTS = {
  requestTimeoutMs: 30_000,
  requestsMax: 1_000,
  outboxMax: 1_000,
  inFlightMax: 256,
  inFlightTotalMax: 2_048,
  conversationsMax: 10_000,
  reportDelivered: true,
} as const;

/** Until `welcome` says. */
const LIMITS_ASSUMED: WireLimits = {
  bodyBytesMax: LIMITS.bodyBytesMax,
  frameBytesMax: LIMITS.binaryFrameBytesMax,
  sendsPerSecond: 1_000,
  burst: 2_000,
  heartbeatMs: LIMITS.pingEveryMs,
};

export function settingsOf(options: ClientOptions): Settings {
  const { url, ...others } = options;
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const urls = (typeof url === 'string' ? [url] : url).map(socketUrl);
  if (urls.length === 0) throw new TypeError('url: give one address at least');
  return {
    webSocket: options.webSocket ?? globalThis.WebSocket ?? missing(),
    storage: options.storage ?? memoryStorage(),
    system: options.system ?? realSystem,
    limits: LIMITS_ASSUMED,
    ...DEFAULTS,
    ...(given as unknown as ClientOptions),
    urls,
  };
}

/** The address of the socket, from that of the server (`http://host:port`) or its own. */
export function socketUrl(text: string): string {
  const url = new URL(text);
  url.protocol = url.protocol.replace('http', 'ws');
  if (url.pathname === '/') url.pathname = '/v1/connect';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new TypeError(`url: ${text} should begin with ws://, wss://, http:// or https://`);
  }
  return url.href;
}

function missing(): never {
  throw new TypeError(
    'webSocket: there is no global WebSocket here; pass one (Node: import carillon/client/node)',
  );
}
