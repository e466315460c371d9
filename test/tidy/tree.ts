/** The files of the repository: all but what .gitignore names. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Paths from the root with forward slashes, sorted. */
export function listFiles(): string[] {
  const ignored = ignoredNames(readText('.gitignore'));
  const paths: string[] = [];
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name === '.git' || ignored(entry.name, entry.isDirectory())) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) paths.push(relative(ROOT, path).split(sep).join('/'));
    }
  };
  visit(ROOT);
  return paths.sort();
}

/** .gitignore as far as we use it: `name/`, `name` and `*.ending`, at any depth. */
function ignoredNames(gitignore: string): (name: string, isFolder: boolean) => boolean {
  const lines = gitignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    if (!/^(\*\.)?[\w.-]+\/?$/.test(line)) throw new Error(`.gitignore: tidy does not understand ${line}`);
  }
  return (name, isFolder) =>
    lines.some((line) => {
      if (line.endsWith('/')) return isFolder && name === line.slice(0, -1);
      return line.startsWith('*.') ? name.endsWith(line.slice(1)) : name === line;
    });
}
