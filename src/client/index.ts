/** `carillon/client`: the client for browsers, and for every runtime with a global WebSocket. */
import { binaryCodec } from './binary-codec.ts';
import { Client } from './client.ts';
import { jsonCodec } from './json-codec.ts';
import type { ClientOptions } from './options.ts';

export type { Entry, Preview, Role } from '../core/entry.ts';
export type {
  Head,
  Message,
  Page,
  Receipt,
  PresenceEvent,
  ReceiptItem,
  ReceiptsPage,
  TypingEvent,
  UserPrefs,
  WireLimits,
} from '../protocol/frames.ts';
export type {
  ClientEvents,
  MemberChange,
  MemberList,
  PrefsChange,
  ReceiptsRange,
  SendOptions,
} from './api.ts';
export { Client } from './client.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { ConnectionState } from './link.ts';
export type { Outgoing, Placed } from './outbox.ts';
export type { WebSocketClass, WebSocketLike } from './socket.ts';
export { type ClientStorage, memoryStorage, webStorage } from './storage.ts';
export type { HistoryRange, Timeline, TimelineEvents, TimelineOptions } from './timeline.ts';
export type { TokenSource } from './token.ts';
export type { Users } from './users.ts';

export type ConnectOptions = Omit<ClientOptions, 'codec'> & {
  /** Default: binary. */
  readonly subprotocol?: 'binary' | 'json';
};

/** A client that connects at once, and stays connected until closed. `await client.ready()` waits for `welcome`. */
export function connect({ subprotocol = 'binary', ...options }: ConnectOptions): Client {
  const client = new Client({ ...options, codec: subprotocol === 'json' ? jsonCodec : binaryCodec });
  client.connect();
  return client;
}
