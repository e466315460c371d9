import { readdir, readFile } from 'node:fs/promises';

/** A file of the page as it is served. */
export interface Asset {
  readonly bytes: Uint8Array;
  /** The Content-Type. */
  readonly type: string;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The page's files by the path they are served at; `/` is index.html. */
export async function loadAssets(): Promise<Map<string, Asset>> {
  const files = import.meta.url.endsWith('.ts') ? await builtInMemory() : await builtBefore();
  const assets = new Map<string, Asset>();
  for (const [name, bytes] of files) {
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
    if (type !== undefined) assets.set(name === 'index.html' ? '/' : `/${name}`, { bytes, type });
  }
  return assets;
}

/** Run from its sources, the page is always that of the sources. */
async function builtInMemory(): Promise<Map<string, Uint8Array>> {
  const { buildConsole } = await import('./build.ts');
  return buildConsole();
}

/** Compiled (dist/src/console), it was built into dist/console. */
async function builtBefore(): Promise<Map<string, Uint8Array>> {
  const folder = new URL('../../console/', import.meta.url);
  const files = new Map<string, Uint8Array>();
  for (const name of await readdir(folder)) files.set(name, await readFile(new URL(name, folder)));
  return files;
}
