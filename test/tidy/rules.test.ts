import assert from 'node:assert/strict';
import test from 'node:test';
import { FILE_LINES_MAX, FUNCTION_LINES_MAX, type Packages, RULES, checkSource } from './rules.ts';
import { parseSource } from './source.ts';
import { checkText } from './texts.ts';

const packages: Packages = {
  dependencies: new Set(['lmdb', 'uWebSockets.js', 'ws', 'hashring', 'jose', 'pino', 'prom-client']),
  devDependencies: new Set(['esbuild', 'fast-check']),
};

/** [path, code that breaks the rule, code beside it that keeps it] */
type Sample = readonly [path: string, bad: string, good: string];

const EDGE = 'src/edge/session.ts';
const ACTOR = 'actors/receipts.ts';
const lines = (count: number) => 'f();\n'.repeat(count);

const SAMPLES: Readonly<Record<string, readonly Sample[]>> = {
  'import-direction': [
    ['src/core/ids.ts', "import '../protocol/frames.ts';", "import './entry.ts';"],
    ['src/protocol/codec.ts', "import '../edge/session.ts';", "import '../core/ids.ts';"],
    [ACTOR, "import type { A } from '../cluster/mailbox.ts';", "import '../src/protocol/limits.ts';"],
    ['cluster/router.ts', "export * from '../actors/receipts.ts';", "export * from './ring.ts';"],
    [EDGE, "const a = await import('../../cluster/router.ts');", "const a = await import('./fan-out.ts');"],
    [EDGE, "type A = import('../../actors/receipts.ts').A;", "type A = import('../core/ports.ts').A;"],
    [EDGE, "import '../adapters/system.ts';", "import '../core/ports.ts';"],
    ['src/push/apns.ts', "import '../edge/session.ts';", "import '../core/ports.ts';"],
    [EDGE, "import '../main.ts';", "import '../protocol/limits.ts';"],
    ['src/adapters/lmdb/store.ts', "import '../memory/store.ts';", "import '../system.ts';"],
    ['src/adapters/lmdb/store.ts', "import '../../edge/socket.ts';", "import '../../core/ports.ts';"],
    ['src/client/client.ts', "import '../edge/socket.ts';", "import '../protocol/frames.ts';"],
    ['lib/new.ts', '', ''],
  ],
  'relative-imports-end-in-ts': [[EDGE, "import './a.js';", "import './a.ts';"]],
  'drivers-in-their-adapter': [
    ['src/adapters/memory/store.ts', "import { open } from 'lmdb';", ''],
    ['src/main.ts', "import uws from 'uWebSockets.js';", ''],
    ['src/main.ts', "createRequire(import.meta.url)('uWebSockets.js');", ''],
    ['src/client/link.ts', "import 'ws';", ''],
    ['cluster/router.ts', "import 'hashring';", ''],
    ['src/edge/session.ts', "import 'jose/jwt/verify';", ''],
    ['src/edge/http.ts', "import 'prom-client';", ''],
    ['bench/echo.ts', "import 'pino';", ''],
  ],
  'declared-packages': [
    [EDGE, "import 'left-pad';", "import 'node:http';"],
    [EDGE, "import 'fast-check';", "import 'ws';"],
    [EDGE, 'await import(name);', "await import('ws');"],
    ['src/main.ts', "import 'esbuild';", ''],
    ['test/unit/a.test.ts', "import 'left-pad';", "import 'fast-check';"],
  ],
  'browser-code': [
    ['src/client/link.ts', "import 'node:crypto';", ''],
    ['src/console/chat.ts', "import 'node:fs';", ''],
  ],
  'ambient-time-and-chance': [
    [EDGE, 'Date.now();', 'system.now();'],
    [EDGE, "Date['now']();", "Date.parse('2020-01-01');"],
    [EDGE, 'globalThis.Date.now();', 'new Date(5);'],
    [EDGE, 'new Date();', 'new Date(now);'],
    [EDGE, 'Date();', 'f(Date);'],
    [EDGE, 'const { now } = Date;', 'const { max } = limits;'],
    [EDGE, 'performance.now();', 'clock.now();'],
    [EDGE, 'process.hrtime.bigint();', 'process.memoryUsage();'],
    [EDGE, 'Math.random();', 'Math.max(1, 2);'],
    [EDGE, 'setTimeout(f, 1);', 'clearTimeout(timer);'],
    [EDGE, 'globalThis.setInterval(f, 1);', 'system.every(1, f);'],
    [EDGE, 'run(setTimeout);', 'run({ setTimeout: 1 });'],
    [EDGE, "import { setTimeout as wait } from 'node:timers/promises';", ''],
    [EDGE, "import { performance } from 'node:perf_hooks';", ''],
    [EDGE, "import { randomBytes } from 'node:crypto';", "import { createHash } from 'node:crypto';"],
    ['src/client/link.ts', 'crypto.getRandomValues(bytes);', 'system.randomBytes(16);'],
    ['cluster/router.ts', 'crypto.randomUUID();', ''],
  ],
  'synchronous-actors': [
    [ACTOR, 'async function f() {}', 'function f() {}'],
    [ACTOR, 'const a = { async f() {} };', 'const a = { f() {} };'],
    [ACTOR, 'await f();', 'f();'],
    [ACTOR, 'await f(); for await (const a of b) f(a);', 'for (const a of b) f(a);'],
    [ACTOR, 'let a: Promise<void>;', 'let a: { Promise: number };'],
    [ACTOR, 'f().then(g);', 'f().also(g);'],
    [ACTOR, 'setImmediate(f);', ''],
    [ACTOR, "import { createHash } from 'node:crypto';", ''],
  ],
  'file-length': [[EDGE, lines(FILE_LINES_MAX + 1), lines(FILE_LINES_MAX)]],
  'function-length': [
    [
      EDGE,
      `function f() {\n${lines(FUNCTION_LINES_MAX - 1)}}`,
      `function f() {\n${lines(FUNCTION_LINES_MAX - 2)}}`,
    ],
    [
      'test/a.test.ts',
      `test('a', () => {\n${lines(FUNCTION_LINES_MAX - 1)}});`,
      `function suite() {\n${`test('a', () => {\n${lines(40)}});\n`.repeat(2)}}`,
    ],
    [EDGE, `function suite() {\n${`test('a', () => {\n${lines(40)}});\n`.repeat(2)}}`, ''],
    [EDGE, `const a = () => {\n${lines(FUNCTION_LINES_MAX - 1)}};`, ''],
    [
      EDGE,
      `class A { f() {\n${lines(FUNCTION_LINES_MAX - 1)}} }`,
      `class A {\n f() {\n${lines(9)}}\n${'\n'.repeat(99)}}`,
    ],
  ],
  'no-any': [
    [EDGE, 'let a: any;', 'let any: unknown;'],
    [EDGE, 'f(a as any[]);', "f('any');"],
  ],
  'no-default-export': [
    [EDGE, 'export default 1;', 'export const a = 1;'],
    [EDGE, 'const a = 1; export { a as default };', "import a from 'ws';"],
  ],
  'no-utils-file': [
    ['src/edge/utils.ts', '', ''],
    ['test/helpers.ts', '', ''],
  ],
  'no-empty-catch': [
    [EDGE, 'try { f(); } catch {}', 'try { f(); } catch { g(); }'],
    [EDGE, 'try { f(); } catch { /* fine */ }', ''],
    [EDGE, 'f().catch(() => {});', 'f().catch((error) => g(error));'],
    [EDGE, 'f().catch(() => undefined);', 'f().catch(g);'],
  ],
};

function rulesBroken(path: string, code: string): string[] {
  return checkSource(parseSource(path, code), packages).map((finding) => finding.rule);
}

for (const rule of Object.keys(RULES)) {
  test(`tidy: ${rule} fails on bad code and on no other`, () => {
    const samples = SAMPLES[rule] ?? [];
    assert.ok(samples.length > 0, 'a rule without a bad sample may be one that cannot fail');
    for (const [path, bad, good] of samples) {
      assert.ok(rulesBroken(path, bad).includes(rule), `${path} should break it: ${bad}`);
      if (good !== '') assert.ok(!rulesBroken(path, good).includes(rule), `${path} should keep it: ${good}`);
    }
  });
}

test('tidy: files and functions that a rule names are free of it', () => {
  assert.deepEqual(rulesBroken('src/adapters/system.ts', 'export const now = () => Date.now();'), []);
  assert.deepEqual(rulesBroken('src/client/system.ts', 'setTimeout(f, Math.random());'), []);
  assert.deepEqual(rulesBroken('test/unit/a.test.ts', 'setTimeout(f, Date.now());'), []);
  assert.deepEqual(rulesBroken('src/adapters/lmdb/log.ts', "import { open } from 'lmdb';"), []);
  assert.deepEqual(rulesBroken('src/console/build.ts', "import { build } from 'esbuild';"), []);
  assert.deepEqual(rulesBroken('src/client/node.ts', "import 'ws'; import 'node:fs';"), []);
});

test('tidy: a finding tells the line', () => {
  const [finding] = checkSource(parseSource(EDGE, '\n\n  f(Date.now());\n'), packages);
  assert.deepEqual([finding?.path, finding?.line], [EDGE, 3]);
});

test('tidy: code that does not parse is an error, not a pass', () => {
  assert.throws(() => parseSource(EDGE, 'const = ;'), /src\/edge\/session\.ts/);
});

test('tidy: texts may not name machine paths or registry hosts', () => {
  const slash = '/';
  const found = (text: string) => checkText('README.md', text).map((finding) => finding.rule);
  for (const path of [
    `${slash}work/main`,
    `see ${slash}root/x`,
    `"${slash}home/ann/x"`,
    `${slash}Users/ann`,
  ]) {
    assert.deepEqual(found(path), ['no-machine-paths'], path);
  }
  assert.deepEqual(found(`C:\\${'Users'}\\ann`), ['no-machine-paths']);
  for (const text of ['docs/work/a.md', '../work/a', 'a home/', 'https://example.org/root/x', '~/work/x']) {
    assert.deepEqual(found(text), [], text);
  }
  const host = ['https:/', 'registry.npmjs.org', 'a'].join('/');
  assert.deepEqual(found(host), ['no-registry-hosts']);
  assert.deepEqual(found(['https:/', 'registry.corp.example', 'a'].join('/')), ['no-registry-hosts']);
  assert.deepEqual(found('https://example.org/registry'), []);
  const lock = checkText('package-lock.json', '      "resolved": "https://example.org/a.tgz",');
  assert.deepEqual(
    lock.map((finding) => finding.rule),
    ['no-registry-hosts'],
  );
});
