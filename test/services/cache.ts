import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where downloads stay between runs; ignored by git. */
export const CACHE_DIR = join(new URL('../../', import.meta.url).pathname, '.services');

const LOCK_MS_MAX = 15 * 60_000;
const LOOK_MS = 250;

/**
 * The folder of a download, made once and whole: `make` fills a scratch folder, which then takes its name. Runs
 * at the same time wait for one another.
 */
export async function cached(name: string, make: (dir: string) => Promise<void>): Promise<string> {
  const dir = join(CACHE_DIR, name);
  if (existsSync(dir)) return dir;
  mkdirSync(CACHE_DIR, { recursive: true });
  const lock = join(CACHE_DIR, `${name}.lock`);
  await takeLock(lock);
  try {
    if (existsSync(dir)) return dir;
    const scratch = join(CACHE_DIR, `${name}.partial`);
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch);
    await make(scratch);
    renameSync(scratch, dir);
    return dir;
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(path: string): Promise<void> {
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await stat(path).catch(() => undefined);
    if (held !== undefined && Date.now() - held.mtimeMs > LOCK_MS_MAX) await rm(path, { force: true });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
