/**
 * The lock of a data directory: one process at a time, freed by the kernel when the process ends, however it
 * ends. Node has no flock, but LMDB has the like: every process with a reader of an environment holds an
 * fcntl lock on one byte of its lock file, and `readerCheck` clears the readers whose byte is unlocked. So
 * each process registers as a reader of a small environment of its own, `lock.mdb`, *then* looks whether a
 * live one is there besides: of two that start at once at least one sees the other. Pids are never judged by
 * themselves, so that a reused pid can't deceive it. See docs/adr/0002.
 */
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

/** The data directory is in use. */
export class StoreLocked extends Error {
  override readonly name = 'StoreLocked';
}

export interface DirectoryLock {
  release(): Promise<void>;
}

/** fcntl locks are per process: within one process this set decides. */
const heldHere = new Set<string>();

/** Throws StoreLocked, naming directory and holder, when another live process has it. */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  mkdirSync(dir, { recursive: true });
  const real = realpathSync(dir);
  if (heldHere.has(real)) throw new StoreLocked(inUse(dir, `this very process, pid ${process.pid}`));
  heldHere.add(real);
  const environment = open<Buffer, Buffer>({
    path: join(real, 'lock.mdb'),
    mapSize: 0x20000,
    overlappingSync: false,
  });
  try {
    const reader = register(environment, dir);
    environment.readerCheck();
    const others = readerPids(environment.readerList()).filter((pid) => pid !== process.pid);
    if (others.length > 0) {
      reader.done();
      throw new StoreLocked(inUse(dir, `process ${[...new Set(others)].join(', ')}`));
    }
    return {
      async release(): Promise<void> {
        if (!heldHere.delete(real)) return;
        reader.done();
        await environment.close();
      },
    };
  } catch (error) {
    heldHere.delete(real);
    await environment.close();
    throw error;
  }
}

/**
 * Fails, after LMDB's own retries of some 10 s, when a process of the same pid in another pid namespace (a
 * container beside this one) holds the very byte that this one must lock.
 */
function register(environment: RootDatabase<Buffer, Buffer>, dir: string): { done(): void } {
  try {
    return environment.useReadTransaction();
  } catch (cause) {
    throw new StoreLocked(inUse(dir, `a process with the same pid, ${process.pid}, in another container`), {
      cause,
    });
  }
}

function inUse(dir: string, holder: string): string {
  return `data directory ${dir} is in use by ${holder}; stop it first, or choose another directory`;
}

/** LMDB's reader list is text: a line of headings, then "pid thread transaction" a line. */
function readerPids(list: string): number[] {
  return [...list.matchAll(/^\s*(\d+)\s/gm)].map((match) => Number(match[1]));
}
