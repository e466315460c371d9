/** Bundles the page: run as a program it writes dist/console; a server run from its sources does it in memory. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Compiled, this file is in dist/src/console; the page is built from its sources all the same. */
const ROOT = new URL(import.meta.url.endsWith('.ts') ? '../../' : '../../../', import.meta.url);
const SOURCES = fileURLToPath(new URL('src/console/', ROOT));
const TARGET = fileURLToPath(new URL('dist/console/', ROOT));

/** The page's files by name. */
export async function buildConsole(): Promise<Map<string, Uint8Array>> {
  const result = await build({
    entryPoints: [`${SOURCES}app.ts`, `${SOURCES}style.css`],
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'safari16'],
    legalComments: 'none',
    outdir: SOURCES,
    write: false,
    logLevel: 'silent',
  });
  const files = new Map<string, Uint8Array>();
  for (const file of result.outputFiles) files.set(file.path.slice(SOURCES.length), file.contents);
  for (const name of ['index.html', 'favicon.svg']) files.set(name, await readFile(SOURCES + name));
  return files;
}

async function main(): Promise<void> {
  await mkdir(TARGET, { recursive: true });
  for (const [name, bytes] of await buildConsole()) {
    await writeFile(TARGET + name, bytes);
    console.log(`dist/console/${name}  ${bytes.length} bytes`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
