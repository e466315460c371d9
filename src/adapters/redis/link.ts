import { type ChainableCommander, Redis } from 'ioredis';
import type { Logger, System, Timer } from '../../core/ports.ts';
import { RingBuffer } from '../../core/ring-buffer.ts';
import { noMetrics, type Reason, type RedisMetrics } from './metrics.ts';
import { checkUrl, DEFAULTS, type RedisOptions } from './options.ts';

/** Something to be written, of which only the newest state matters. */
export interface Write {
  /** Roughly, what it holds in memory and sends. */
  readonly bytes: number;
  /** All writes of a pipeline under one script are one call of it: a command costs ioredis 10 us. */
  readonly script: string;
  /** Adds its one key, and as many arguments as the script takes per key. */
  addTo(call: ScriptCall, prefix: string): void;
}

export interface ScriptCall {
  readonly keys: string[];
  readonly args: (string | number)[];
}

/**
 * A script that runs `body` for each key; `body` takes its arguments with `take()` and speaks to Redis with
 * `call(…)`. A key that refuses (of another type, say) does not keep the rest from being written. Answers how
 * many calls failed, and with what at last.
 */
export function scriptForEachKey(body: string): string {
  return `local at, failures, message = 0, 0, ''
local function take() at = at + 1 return ARGV[at] end
local function call(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then failures = failures + 1 message = reply.err end
end
for _, key in ipairs(KEYS) do
${body}
end
return {failures, message}`;
}

/** Adds one command whose reply is wanted. */
export type Ask = (pipeline: ChainableCommander, prefix: string) => void;

type Replies = [error: Error | null, reply: unknown][];

interface Read {
  readonly ask: Ask;
  /** undefined once answered. */
  settle: ((reply: unknown) => void) | undefined;
  readonly timer: Timer;
}

/** The reply of a read that got none; Redis's own nil is null. */
export const NO_REPLY = undefined;

const PROBE_MS = 1_000;
const PROBE_TTL_MS = 60_000;
const CLOSE_MS_MAX = 500;

/**
 * One connection to Redis (a single server: keys of one call may lie anywhere), and a pipeline at a time: what
 * is asked in a turn, or while the last pipeline is underway, goes in one write. Nothing is kept while there is no connection, nothing is sent twice.
 */
export class RedisLink {
  readonly #redis: Redis;
  readonly #system: System;
  readonly #logger: Logger;
  readonly #metrics: RedisMetrics;
  readonly #options: RedisOptions;
  readonly #prefix: string;
  readonly #writesMax: number;
  readonly #pendingBytesMax: number;
  readonly #writes = new Map<string, Write>();
  readonly #reads: RingBuffer<Read>;
  readonly #probe: Timer;
  readonly #probeKey: string;
  #pendingBytes = 0;
  #ready = false;
  #turnAsked = false;
  /** Rises with each pipeline; the one that is underway, or 0. */
  #batch = 0;
  #underway = 0;
  #probeLeft = false;
  #outageLogged = false;
  #closed = false;
  #onIdle: (() => void) | undefined;

  /** Throws on a URL that can't be right; that the server is away shows in `connected` and the metrics. */
  constructor(options: RedisOptions, system: System, logger: Logger, metrics: RedisMetrics = noMetrics) {
    checkUrl(options.url);
    this.#options = options;
    this.#system = system;
    this.#logger = logger;
    this.#metrics = metrics;
    this.#prefix = options.prefix ?? DEFAULTS.prefix;
    this.#writesMax = options.writesMax ?? DEFAULTS.writesMax;
    this.#pendingBytesMax = options.pendingBytesMax ?? DEFAULTS.pendingBytesMax;
    this.#reads = new RingBuffer(options.readsMax ?? DEFAULTS.readsMax);
    this.#probeKey = `alive:${Buffer.from(system.random(8)).toString('hex')}`;
    this.#probe = system.every(PROBE_MS, () => this.#lookForFlush());
    this.#redis = connect(options);
    this.#redis.on('ready', () => this.#up());
    this.#redis.on('close', () => this.#down());
    this.#redis.on('error', (error: Error) => this.#complain(error));
  }

  get connected(): boolean {
    return this.#ready;
  }

  /** Writes that wait. */
  get pendingWrites(): number {
    return this.#writes.size;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Writes it, soon, instead of what still waits under `key`; drops it, counted, when there is no connection or no room. */
  write(key: string, write: Write): void {
    if (!this.#ready) {
      this.#metrics.dropped('disconnected');
      return;
    }
    const older = this.#writes.get(key);
    const bytes = this.#pendingBytes + write.bytes - (older?.bytes ?? 0);
    if (bytes > this.#pendingBytesMax || (older === undefined && this.#writes.size >= this.#writesMax)) {
      this.#metrics.dropped('full');
      return;
    }
    this.#pendingBytes = bytes;
    this.#writes.set(key, write);
    this.#turnSoon();
  }

  /** The reply; NO_REPLY after readMsMax at the latest, and at once when there is no connection or no room. */
  read(ask: Ask): Promise<unknown> {
    const refusal = !this.#ready ? 'disconnected' : this.#reads.isFull ? 'full' : undefined;
    if (refusal !== undefined) {
      this.#metrics.unknown(refusal);
      return Promise.resolve(NO_REPLY);
    }
    return new Promise((resolve) => {
      const timer = this.#system.after(this.#options.readMsMax ?? DEFAULTS.readMsMax, () => {
        this.#giveUp(read, 'late');
      });
      const read: Read = { ask, settle: resolve, timer };
      this.#reads.push(read);
      this.#turnSoon();
    });
  }

  /** Writes what waits, for at most CLOSE_MS_MAX, and disconnects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#probe.cancel();
    if (this.#ready && (this.#underway !== 0 || this.#writes.size > 0)) {
      await new Promise<void>((resolve) => {
        const timer = this.#system.after(CLOSE_MS_MAX, resolve);
        this.#onIdle = () => {
          timer.cancel();
          resolve();
        };
        this.#turnSoon();
      });
    }
    this.#ready = false;
    this.#forget();
    this.#redis.disconnect();
  }

  #turnSoon(): void {
    if (this.#turnAsked || this.#underway !== 0) return;
    this.#turnAsked = true;
    this.#system.soon(() => {
      this.#turnAsked = false;
      if (this.#underway === 0 && this.#ready) this.#send();
    });
  }

  #send(): void {
    const reads = this.#takeReads();
    if (reads.length === 0 && this.#writes.size === 0) {
      this.#onIdle?.();
      return;
    }
    const pipeline = this.#redis.pipeline();
    for (const read of reads) read.ask(pipeline, this.#prefix); // one command each: replies 0 … reads - 1
    const writes = this.#addWrites(pipeline);
    const commands = pipeline.length;
    const batch = ++this.#batch;
    const start = this.#system.monotonic();
    this.#underway = batch;
    this.#watch(batch, 2);
    void pipeline.exec((error, replies) => {
      if (replies) this.#answered(reads, replies);
      const lost = error !== null && error !== undefined ? error : lostIn(replies);
      for (const read of reads) this.#giveUp(read, 'disconnected');
      if (lost === undefined) this.#metrics.batch(commands, (this.#system.monotonic() - start) / 1_000);
      else for (let i = 0; i < writes; i++) this.#metrics.dropped('disconnected');
      if (this.#underway !== batch) return;
      this.#underway = 0;
      if (this.#writes.size > 0 || this.#reads.length > 0) this.#turnSoon();
      else this.#onIdle?.();
    });
  }

  #takeReads(): Read[] {
    const reads: Read[] = [];
    while (reads.length < DEFAULTS.batchReadsMax) {
      const read = this.#reads.shift();
      if (read === undefined) break;
      if (read.settle !== undefined) reads.push(read);
    }
    return reads;
  }

  /** How many it took. */
  #addWrites(pipeline: ChainableCommander): number {
    const calls = new Map<string, ScriptCall>();
    let count = 0;
    let bytes = 0;
    for (const [key, write] of this.#writes) {
      if (count === DEFAULTS.batchWritesMax || bytes >= DEFAULTS.batchBytesMax) break;
      this.#writes.delete(key);
      let call = calls.get(write.script);
      if (call === undefined) calls.set(write.script, (call = { keys: [], args: [] }));
      write.addTo(call, this.#prefix);
      bytes += write.bytes;
      count++;
    }
    for (const [script, { keys, args }] of calls) pipeline.eval(script, keys.length, ...keys, ...args);
    this.#pendingBytes -= bytes;
    return count;
  }

  #answered(reads: readonly Read[], replies: Replies): void {
    for (const [i, [error, reply]] of replies.entries()) {
      if (error !== null) {
        if (isReply(error)) this.#metrics.failed(codeOf(error.message));
        continue;
      }
      const read = reads[i];
      if (read === undefined) this.#scriptAnswered(reply as [failures: number, message: string]);
      if (read?.settle === undefined) continue;
      read.timer.cancel();
      read.settle(reply);
      read.settle = undefined;
    }
  }

  #scriptAnswered([failures, message]: [failures: number, message: string]): void {
    for (let i = 0; i < failures; i++) this.#metrics.failed(codeOf(message));
  }

  #giveUp(read: Read, reason: Reason): void {
    if (read.settle === undefined) return;
    this.#metrics.unknown(reason);
    read.timer.cancel();
    read.settle(NO_REPLY);
    read.settle = undefined;
  }

  /** After batchMsMax, in `steps` (so that one stall of our own is not taken for the server's), gives the link up. */
  #watch(batch: number, steps: number): void {
    const batchMsMax = this.#options.batchMsMax ?? DEFAULTS.batchMsMax;
    this.#system.after(batchMsMax / 2, () => {
      if (this.#underway !== batch) return;
      if (steps > 1) this.#watch(batch, steps - 1);
      else {
        this.#down();
        this.#redis.disconnect(true);
      }
    });
  }

  /** Leaves a mark and finds the one before: a server that has lost it has lost all. */
  #lookForFlush(): void {
    if (!this.#ready) return;
    const key = this.#prefix + this.#probeKey;
    const ask: Ask = (pipeline) => pipeline.set(key, '1', 'PX', PROBE_TTL_MS, 'GET');
    void this.read(ask).then((before) => {
      if (before === NO_REPLY) return;
      if (before === null && this.#probeLeft) {
        this.#metrics.flushed();
        this.#logger.warn({}, 'Redis has lost its data: presence is stale until it is told again');
      }
      this.#probeLeft = true;
    });
  }

  #up(): void {
    if (this.#closed) return;
    this.#ready = true;
    this.#outageLogged = false;
    this.#metrics.connected();
    this.#logger.info({}, 'connected to Redis');
    this.#lookForFlush();
  }

  #down(): void {
    if (!this.#ready) return;
    this.#ready = false;
    this.#underway = 0;
    this.#metrics.lost();
    this.#logger.warn({}, 'the connection to Redis is lost');
    this.#forget();
  }

  #forget(): void {
    for (let i = 0; i < this.#writes.size; i++) this.#metrics.dropped('disconnected');
    this.#writes.clear();
    this.#pendingBytes = 0;
    for (let read = this.#reads.shift(); read !== undefined; read = this.#reads.shift())
      this.#giveUp(read, 'disconnected');
    this.#onIdle?.();
  }

  #complain(error: Error): void {
    if (this.#outageLogged || this.#closed) return;
    this.#outageLogged = true; // once per outage: attempts go on four times a second
    this.#logger.warn({ error: error.message }, 'Redis does not answer; trying again until it does');
  }
}

function connect(options: RedisOptions): Redis {
  const waitMs = options.reconnectWaitMs ?? DEFAULTS.reconnectWaitMs;
  return new Redis(options.url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => waitMs,
    connectTimeout: DEFAULTS.connectMsMax,
    disconnectTimeout: 100, // a dead link takes no farewell
    ...(options.tlsCa !== undefined && { tls: { ca: options.tlsCa } }),
  });
}

function codeOf(message: string): string {
  return message.split(' ', 1)[0] as string;
}

/** Whether an error is the server's word on a command, not the loss of the connection. */
function isReply(error: Error): boolean {
  return error.name === 'ReplyError';
}

/** The loss of the connection before the last reply. */
function lostIn(replies: Replies | null | undefined): Error | undefined {
  const last = replies?.at(-1)?.[0];
  return last !== null && last !== undefined && !isReply(last) ? last : undefined;
}
