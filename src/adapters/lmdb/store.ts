import type {
  DirtyStore,
  Logger,
  MessageStore,
  Ownership,
  ProjectionStore,
  System,
} from '../../core/ports.ts';
import { Environment, META, StoreDamaged } from './environment.ts';
import { POSITION_MAX } from './location-block.ts';
import { lockDirectory } from './lock.ts';
import { lastChunk, walkLog } from './log-reader.ts';
import { LmdbMessageStore } from './message-store.ts';
import { Overlay } from './overlay.ts';
import { LmdbDirtyStore, LmdbProjectionStore } from './projection-store.ts';
import { FORMAT } from './record-codec.ts';
import { Writer, type WriterOptions } from './writer.ts';

export interface LmdbStoreOptions extends Partial<WriterOptions> {
  /** Conversations whose end is kept in memory. */
  readonly tailsMax?: number;
  /** Told once when the store takes itself out of service; the process may want to end. */
  readonly onFailure?: (error: Error) => void;
}

export interface LmdbStoreStats {
  readonly fence: number;
  /** The log's last chunk, and the last whose contents are all in the tables. */
  readonly chunks: number;
  readonly chunksIndexed: number;
  readonly commits: number;
  readonly slices: number;
  readonly logBytesWritten: number;
  readonly waitingBytes: number;
  /** Rows in memory that a bulk has yet to bring to the tables. */
  readonly overlayRows: number;
  readonly tails: number;
  readonly full: boolean;
  readonly inService: boolean;
  /** Of the file. */
  readonly bytes: number;
}

export interface LmdbStore {
  readonly messages: MessageStore;
  readonly projections: ProjectionStore;
  readonly dirty: DirtyStore;
  readonly ownership: Ownership;
  /** Raised by each open. */
  readonly fence: number;
  /** Writes out what is in memory; the next open then has nothing to replay. */
  close(): Promise<void>;
  stats(): LmdbStoreStats;
}

const TAILS_MAX = 131_072;

const DEFAULTS: WriterOptions = {
  // Four pages of LMDB, less their header: a chunk fills them, and reading a message copies no more.
  chunkBytesMax: 4 * 4_096 - 24,
  recordBytesMax: 1024 * 1024,
  waitingBytesMax: 64 * 1024 * 1024,
  // A message has two, so 65,536 messages: what a start after a crash replays, and what makes bulk cheap.
  bulkRows: 131_072,
  bulkAfterMs: 5_000,
  sliceRows: 512,
  sliceRowsMax: 8_192,
  freshRowsMax: 524_288,
  fullRetryMs: 250,
  writeMsMax: 30_000,
  sweepEveryMs: 10_000,
  sweepRows: 2_048,
};

/**
 * Opens the store in `dir`, made if missing. Throws StoreLocked when another process has it, StoreDamaged
 * when what is on disk can't be trusted.
 */
export async function openLmdbStore(
  dir: string,
  system: System,
  logger: Logger,
  options: LmdbStoreOptions = {},
): Promise<LmdbStore> {
  const writerOptions = { ...DEFAULTS, ...options };
  if (writerOptions.chunkBytesMax > POSITION_MAX) {
    throw new RangeError(
      `chunkBytesMax is ${writerOptions.chunkBytesMax}; it can be ${POSITION_MAX} at most`,
    );
  }
  const lock = await lockDirectory(dir);
  let env: Environment | undefined;
  try {
    env = new Environment(dir, (problem) => logger.warn({ dir }, `${problem}; run \`carillon check\``));
    const overlay = new Overlay(env, system, options.tailsMax ?? TAILS_MAX);
    replay(env, overlay, system, logger);
    const fence = beginTerm(env);
    const end = lastChunk(env);
    const onFailure = options.onFailure ?? (() => undefined);
    const writer = new Writer(env, overlay, end, system, logger, writerOptions, onFailure);
    return compose(env, overlay, writer, fence, system, logger, () => lock.release());
  } catch (error) {
    await env?.close();
    await lock.release();
    throw error;
  }
}

function compose(
  env: Environment,
  overlay: Overlay,
  writer: Writer,
  fence: number,
  system: System,
  logger: Logger,
  release: () => Promise<void>,
): LmdbStore {
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await writer.close();
    const whole = overlay.indexed === writer.lastChunk && writer.failure === undefined && !writer.full;
    try {
      if (whole) env.commitNow(() => env.putMeta(META.closed, fence));
    } catch (err) {
      logger.warn({ err, dir: env.dir }, 'the store could not note that it was closed properly');
    }
    await env.close();
    await release();
  };
  return {
    messages: new LmdbMessageStore(env, overlay, writer, fence, system, logger),
    projections: new LmdbProjectionStore(overlay, writer, fence),
    dirty: new LmdbDirtyStore(overlay, writer, fence),
    ownership: {
      claim: async () =>
        writer.failure === undefined
          ? { t: 'owned', fence, recovered: false } // its dirty marks say what to look after
          : { t: 'unavailable', retryAfterMs: 1_000, again: false },
      confirmed: () => true, // while the lock is held
      letGo: () => undefined,
    },
    fence,
    close: () => (closed ??= close()),
    stats: () => ({
      fence,
      chunks: writer.lastChunk,
      chunksIndexed: overlay.indexed,
      commits: writer.commits,
      slices: writer.slices,
      logBytesWritten: writer.logBytes,
      waitingBytes: writer.waitingBytes,
      overlayRows: overlay.fresh + overlay.frozen,
      tails: overlay.index.tailCount,
      full: writer.full,
      inService: writer.failure === undefined,
      bytes: env.bytes,
    }),
  };
}

/** Brings what the tables lack from the log to the overlays. */
function replay(env: Environment, overlay: Overlay, system: System, logger: Logger): void {
  checkFormat(env);
  const startedAt = system.monotonic();
  let entries = 0;
  walkLog(env, overlay.indexed + 1, {
    entry(reader, chunk) {
      entries++;
      overlay.replayed(reader, chunk);
    },
    damaged(_chunk, what) {
      throw new StoreDamaged(
        `the store in ${env.dir} is damaged: ${what}; run \`carillon check\` for a full report`,
      );
    },
  });
  const ms = Math.round(system.monotonic() - startedAt);
  if (entries > 0) logger.info({ dir: env.dir, entries, ms }, 'replayed the tail of the log');
}

function checkFormat(env: Environment): void {
  const format = env.meta(META.format);
  if (format !== 0 && format !== FORMAT) {
    throw new StoreDamaged(
      `the store in ${env.dir} has format ${format}; this program knows format ${FORMAT}`,
    );
  }
}

/** Raises the fence, on disk before anything is served under it. */
function beginTerm(env: Environment): number {
  const fence = env.meta(META.boot) + 1;
  try {
    env.commitNow(() => {
      env.putMeta(META.format, FORMAT);
      env.putMeta(META.boot, fence);
    });
  } catch (cause) {
    throw new Error(`the store in ${env.dir} can't be written to: ${(cause as Error).message}`, { cause });
  }
  return fence;
}
