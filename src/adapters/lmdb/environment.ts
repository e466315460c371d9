import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { readU64, writeU64 } from '../../protocol/message-frame.ts';

/** Names of the numbers in the meta table. */
export const META = {
  format: 'format',
  /** The fence of the present or last term. */
  boot: 'boot',
  /** The fence of the last term that was closed properly. */
  closed: 'closed',
  /** The last chunk of the log whose contents are all in the tables. */
  indexed: 'indexed',
  /** Dirty marks of lower slots are cleared. */
  dirtyFrom: 'dirtyFrom',
} as const;

export type Table = Database<Uint8Array, Uint8Array>;

/** The store on disk does not say what it must; `carillon check` tells more. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged';
}

/**
 * A commit did not happen. `full`: for want of room. `certain`: nothing of it is or will be on disk, since
 * LMDB failed before it touched its meta page.
 */
export class CommitFailed extends Error {
  override readonly name = 'CommitFailed';
  readonly full: boolean;
  readonly certain: boolean;

  constructor(full: boolean, certain: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.full = full;
    this.certain = certain;
  }
}

export function storePath(dir: string): string {
  return join(dir, 'store.mdb');
}

/** Of the map alone: address space, not disk. It grows by itself. */
const MAP_BYTES_FIRST = 2 ** 30;
/** With less than this left, a short write means a full disk. */
const ROOM_BYTES_MIN = 4 * 1024 * 1024;
const ENOSPC = 28;
const EDQUOT = 122;
const EIO = 5;
const MDB_MAP_FULL = -30792;

/** The LMDB environment of a data directory and its tables; all keys and values are bytes. */
export class Environment {
  readonly dir: string;
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  /** Chunk number -> chunk. */
  readonly log: Table;
  /** conv -> head, locations of its last batches; conv, last seq of 16 batches -> their locations. */
  readonly heads: Table;
  readonly index: Table;
  /** cmid, conv, user NUL device -> seq, ts, hash. */
  readonly dedup: Table;
  /** The small tables; their keys are told in tables.ts. */
  readonly conversations: Table;
  readonly members: Table;
  readonly inbox: Table;
  readonly users: Table;
  /** slot, conv -> nothing. */
  readonly dirty: Table;
  readonly #meta: Table;

  /** The directory must be locked. Throws StoreDamaged when the file is none of LMDB's, or of its own errors. */
  constructor(dir: string, warn: (problem: string) => void) {
    this.dir = dir;
    const path = storePath(dir);
    lengthen(path, warn);
    try {
      this.#root = open<Uint8Array, Uint8Array>({
        path,
        encoding: 'binary',
        keyEncoding: 'binary',
        mapSize: MAP_BYTES_FIRST,
        maxDbs: 16,
        // A commit's promise then means that LMDB has called fdatasync on the pages, and written and synced
        // the meta page: mdb_txn_commit -> mdb_page_flush, mdb_env_sync0, mdb_env_write_meta.
        overlappingSync: false,
        // Commits are grouped here, one in flight at a time: nothing is to wait for the end of a turn.
        eventTurnBatching: false,
      });
      this.log = this.#open('log');
      this.heads = this.#open('heads');
      this.index = this.#open('index');
      this.dedup = this.#open('dedup');
      this.conversations = this.#open('conversations');
      this.members = this.#open('members');
      this.inbox = this.#open('inbox');
      this.users = this.#open('users');
      this.dirty = this.#open('dirty');
      this.#meta = this.#open('meta');
    } catch (cause) {
      throw new StoreDamaged(`${path} can't be opened: ${(cause as Error).message}`, { cause });
    }
  }

  #open(name: string): Table {
    return this.#root.openDB<Uint8Array, Uint8Array>({ name, encoding: 'binary', keyEncoding: 'binary' });
  }

  /** A number kept under `name`; 0 if never written. */
  meta(name: string): number {
    const bytes = this.#meta.getBinaryFast(Buffer.from(name));
    return bytes === undefined ? 0 : readU64(bytes, 0);
  }

  /** Part of the transaction under way. */
  putMeta(name: string, value: number): void {
    const bytes = new Uint8Array(8);
    writeU64(bytes, 0, value);
    void this.#meta.put(Buffer.from(name), bytes);
  }

  /** One transaction, on this thread, synced when it returns. */
  commitNow(work: () => void): void {
    this.#root.transactionSync(work);
  }

  /**
   * One transaction of what `work` puts and removes, written by another thread; resolves once it is synced to
   * disk, else rejects with CommitFailed. Values must stay as they are until then. One at a time.
   */
  async commit(work: () => void): Promise<void> {
    try {
      await this.#root.batch(work);
    } catch (error) {
      throw await this.#commitFailed(error);
    }
  }

  async #commitFailed(error: unknown): Promise<CommitFailed> {
    let cause = error;
    try {
      await (error as { commitError?: Promise<unknown> }).commitError;
    } catch (reason) {
      cause = reason;
    }
    // After a failure at the meta page LMDB refuses all further transactions. Any earlier one has left the
    // last commit in place.
    try {
      this.#root.transactionSync(() => undefined);
    } catch (panic) {
      return new CommitFailed(false, false, panic);
    }
    return new CommitFailed(this.#isFull((cause as { code?: unknown }).code), true, cause);
  }

  #isFull(code: unknown): boolean {
    if (code === ENOSPC || code === EDQUOT || code === MDB_MAP_FULL) return true;
    if (code !== EIO) return false;
    // LMDB reports a write cut short by the end of the disk as EIO.
    const { bavail, bsize } = statfsSync(this.dir);
    return bavail * bsize < ROOM_BYTES_MIN;
  }

  /** Of LMDB itself, for stats and reports. */
  get bytes(): number {
    const stats = this.#root.getStats() as {
      lastPageNumber: number;
      pageSize?: number;
      root: { pageSize: number };
    };
    return (stats.lastPageNumber + 1) * stats.root.pageSize;
  }

  close(): Promise<void> {
    return this.#root.close();
  }
}

const META_BYTES = 160;
const META_MAGIC_AT = 24;
const META_PAGE_SIZE_AT = 48;
const META_LAST_PAGE_AT = 144;
const META_MAGIC = 0xbeefc0de;

/**
 * Reading a mapped page beyond the end of the file kills the process. A file cut short (by a copy that failed,
 * say) gets its missing pages as zeros, which LMDB and the checksums tell for what they are. LMDB itself may
 * leave the file a little shorter than its last page.
 */
function lengthen(path: string, warn: (problem: string) => void): void {
  if (!existsSync(path)) return;
  const file = openSync(path, 'r+');
  try {
    const { size } = fstatSync(file);
    if (size === 0) return;
    const meta = Buffer.alloc(META_BYTES);
    let bytesMin = 0;
    let found = false;
    for (let at = 0, pageSize = 4096; at <= pageSize; at += pageSize) {
      if (readSync(file, meta, 0, META_BYTES, at) < META_BYTES) break;
      if (meta.readUInt32LE(META_MAGIC_AT) !== META_MAGIC) continue;
      found = true;
      pageSize = meta.readUInt32LE(META_PAGE_SIZE_AT);
      bytesMin = Math.max(bytesMin, (Number(meta.readBigUInt64LE(META_LAST_PAGE_AT)) + 1) * pageSize);
    }
    if (!found) throw new StoreDamaged(`${path} is no store: neither of its first two pages is a meta page`);
    if (size >= bytesMin) return;
    warn(`${path} has ${size} bytes, and its last page ends at ${bytesMin}: it may have been cut short`);
    ftruncateSync(file, bytesMin);
  } finally {
    closeSync(file);
  }
}
