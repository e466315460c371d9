/** How the adapter reaches its server, and what it may cost. */
export interface RedisOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. */
  readonly url: string;
  /** Before every key. */
  readonly prefix?: string;
  /** The PEM text of the authorities that may sign the server's certificate (`rediss://`). */
  readonly tlsCa?: string;
  /** From one attempt to connect to the next. */
  readonly reconnectWaitMs?: number;
  /** After so long a read answers `unknown`. */
  readonly readMsMax?: number;
  /** A pipeline without an answer for so long means a dead link. */
  readonly batchMsMax?: number;
  /** Writes, and reads, that wait for the next pipeline. */
  readonly writesMax?: number;
  readonly readsMax?: number;
  /** Bytes of the writes that wait. */
  readonly pendingBytesMax?: number;
}

export const DEFAULTS = {
  prefix: 'carillon:',
  reconnectWaitMs: 250,
  connectMsMax: 2_000,
  readMsMax: 250,
  batchMsMax: 1_000,
  writesMax: 50_000,
  readsMax: 10_000,
  pendingBytesMax: 16 * 1024 * 1024,
  /** Of one pipeline. */
  batchWritesMax: 500,
  batchReadsMax: 1_000,
  batchBytesMax: 1024 * 1024,
} as const;

/** Throws what is wrong with the URL. */
export function checkUrl(url: string): void {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol))
    throw new RangeError('the Redis URL must be redis://host:port or rediss://host:port');
}
