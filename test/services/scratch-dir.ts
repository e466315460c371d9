import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dirs = new Set<string>();

export interface ScratchDir {
  readonly path: string;
  remove(): void;
}

/** A folder of the run's own. */
export function scratchDir(name: string): ScratchDir {
  const path = mkdtempSync(join(tmpdir(), `carillon-${name}-`));
  dirs.add(path);
  return { path, remove: () => remove(path) };
}

/** What a run that is ending leaves behind no more. */
export function removeScratchDirs(): void {
  for (const path of dirs) remove(path);
}

function remove(path: string): void {
  dirs.delete(path);
  // A process that was just killed may still be writing its last.
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
