/** The house rules of DESIGN section 3 as functions of one source file. rules.test.ts shows that each can fail. */
import { posix } from 'node:path';
import { DRIVERS, SYSTEM_FILES, isBuildStep, isForBrowsers, isShipped, mayImport, partOf } from './layers.ts';
import {
  type Node,
  type Source,
  isNode,
  isTestCall,
  isReference,
  lineOf,
  linesIn,
  nameOf,
  propertyOf,
  walk,
} from './source.ts';

export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly detail: string;
}

export interface Packages {
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

type Report = (node: Node, detail: string) => void;
type Check = (source: Source, report: Report, packages: Packages) => void;

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;

export const RULES: Readonly<Record<string, Check>> = {
  'import-direction': importDirection,
  'relative-imports-end-in-ts': relativeImports,
  'drivers-in-their-adapter': drivers,
  'declared-packages': declaredPackages,
  'browser-code': browserCode,
  'ambient-time-and-chance': ambient,
  'synchronous-actors': synchronousActors,
  'file-length': fileLength,
  'function-length': functionLength,
  'no-any': noAny,
  'no-default-export': noDefaultExport,
  'no-utils-file': noUtilsFile,
  'no-empty-catch': noEmptyCatch,
};

export function checkSource(source: Source, packages: Packages): Finding[] {
  const findings: Finding[] = [];
  for (const [rule, check] of Object.entries(RULES)) {
    const report: Report = (node, detail) =>
      findings.push({ rule, path: source.path, line: lineOf(source, node), detail });
    check(source, report, packages);
  }
  return findings;
}

function importDirection(source: Source, report: Report): void {
  const own = partOf(source.path);
  if (own === undefined) {
    report(source.program, 'the file is in no part of the map (test/tidy/layers.ts)');
    return;
  }
  for (const { from, node } of source.imports) {
    if (from === undefined || !from.startsWith('.')) continue;
    const target = posix.join(posix.dirname(source.path), from);
    const part = partOf(target);
    if (part === undefined) {
      if (!target.endsWith('.json')) report(node, `imports ${target}, which is in no part of the map`);
    } else if (!mayImport(own, part)) report(node, `${own} may not import ${part} (${from})`);
    else if (
      own === 'adapters' &&
      part === 'adapters' &&
      ![adapterOf(source.path), ''].includes(adapterOf(target))
    ) {
      report(node, `an adapter may not import another (${from})`);
    }
  }
}

/** `lmdb` of src/adapters/lmdb/store.ts; '' of src/adapters/system.ts. */
function adapterOf(path: string): string {
  const [, , folder, file] = path.split('/');
  return file === undefined ? '' : (folder as string);
}

function relativeImports(source: Source, report: Report): void {
  for (const { from, node } of source.imports) {
    if (from?.startsWith('.') && !/\.(ts|json)$/.test(from)) report(node, `${from} should end in .ts`);
  }
}

function packageOf(specifier: string): string {
  const [first, second] = specifier.split('/');
  return specifier.startsWith('@') ? `${first}/${second}` : (first as string);
}

function drivers(source: Source, report: Report): void {
  if (source.path.startsWith('test/')) return;
  for (const { from, node } of source.imports) {
    const homes = from === undefined ? undefined : DRIVERS[packageOf(from)];
    if (homes === undefined || homes.some((home) => source.path.startsWith(home))) continue;
    report(node, `${from} may be imported in ${homes.join(' and ')} alone`);
  }
}

function declaredPackages(source: Source, report: Report, packages: Packages): void {
  const strict = isShipped(source.path) && !isBuildStep(source.path);
  for (const { from, node } of source.imports) {
    if (from === undefined) {
      if (strict) report(node, 'imports a computed name: no rule can see where it leads');
      continue;
    }
    if (/^(\.|#|node:)/.test(from)) continue;
    const name = packageOf(from);
    if (packages.dependencies.has(name) || (!strict && packages.devDependencies.has(name))) continue;
    report(node, `${name} is not among package.json's ${strict ? 'dependencies' : 'packages'}`);
  }
}

function browserCode(source: Source, report: Report): void {
  if (!isForBrowsers(source.path)) return;
  for (const { from, node } of source.imports) {
    if (from?.startsWith('node:')) report(node, `runs in browsers, which lack ${from}`);
  }
}

const AMBIENT_CALLS: ReadonlySet<string> = new Set(['setTimeout', 'setInterval']);
const AMBIENT_OBJECTS: ReadonlySet<string> = new Set(['Date', 'Math', 'performance', 'process', 'crypto']);
const AMBIENT_MEMBERS: ReadonlySet<string> = new Set([
  'Date.now',
  'Math.random',
  'performance.now',
  'performance.timeOrigin',
  'process.hrtime',
  'process.uptime',
]);
const RANDOM_FUNCTIONS: ReadonlySet<string> = new Set([
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
  'getRandomValues',
]);
const AMBIENT_MODULES = /^(node:)?(timers|perf_hooks)(\/|$)/;

function ambient(source: Source, report: Report): void {
  if (!isShipped(source.path) || SYSTEM_FILES.includes(source.path)) return;
  for (const { from, node } of source.imports) {
    if (from !== undefined && AMBIENT_MODULES.test(from)) report(node, `imports ${from}`);
  }
  walk(source.program, (node, parent, key) => {
    const found = ambientUse(node, parent, key);
    if (found !== undefined) report(node, `${found}: take it from System (core/ports.ts)`);
  });
}

/** What of the real clock, timers or chance a node touches. */
function ambientUse(node: Node, parent: Node | undefined, key: string): string | undefined {
  if (node.type === 'MemberExpression') {
    const property = propertyOf(node) ?? '';
    const member = `${nameOf(node['object']) ?? ''}.${property}`;
    if (AMBIENT_MEMBERS.has(member)) return member;
    if (RANDOM_FUNCTIONS.has(property) && /crypto/i.test(nameOf(node['object']) ?? '')) return member;
    return AMBIENT_CALLS.has(nameOf(node) ?? '') ? property : undefined;
  }
  if (node.type === 'NewExpression' && nameOf(node['callee']) === 'Date') {
    return (node['arguments'] as Node[]).length === 0 ? 'new Date()' : undefined;
  }
  if (node.type === 'CallExpression' && nameOf(node['callee']) === 'Date') return 'Date()';
  if (node.type === 'VariableDeclarator' && (node['id'] as Node).type === 'ObjectPattern') {
    const object = nameOf(node['init']) ?? '';
    return AMBIENT_OBJECTS.has(object) ? `destructured ${object}` : undefined;
  }
  if (!isReference(node, parent, key)) return undefined;
  const name = node['name'] as string;
  return AMBIENT_CALLS.has(name) || RANDOM_FUNCTIONS.has(name) ? name : undefined;
}

const TURN_BREAKERS: ReadonlySet<string> = new Set([
  'Promise',
  'setImmediate',
  'queueMicrotask',
  'crypto',
  'fetch',
  'process',
]);
const PROMISE_METHODS: ReadonlySet<string> = new Set(['then', 'finally']);

function synchronousActors(source: Source, report: Report): void {
  if (partOf(source.path) !== 'actors') return;
  for (const { from, node } of source.imports) {
    if (from !== undefined && !from.startsWith('.')) report(node, `an actor imports ${from}`);
  }
  walk(source.program, (node, parent, key) => {
    if (node['async'] === true) report(node, 'async function');
    if (node.type === 'AwaitExpression' || node['await'] === true) report(node, 'await');
    if (node.type === 'MemberExpression' && PROMISE_METHODS.has(propertyOf(node) ?? '')) {
      report(node, `.${propertyOf(node)}`);
    }
    if (isReference(node, parent, key) && TURN_BREAKERS.has(node['name'] as string)) {
      report(node, node['name'] as string);
    }
  });
}

function fileLength(source: Source, report: Report): void {
  const lines = linesIn(source.text);
  if (lines > FILE_LINES_MAX) report(source.program, `${lines} lines; at most ${FILE_LINES_MAX}`);
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

function functionLength(source: Source, report: Report): void {
  const inTests = source.path.startsWith('test/');
  walk(source.program, (node) => {
    if (!FUNCTIONS.has(node.type)) return;
    const lines = linesOf(source, node) - (inTests ? linesOfTests(source, node) : 0);
    if (lines > FUNCTION_LINES_MAX) report(node, `${lines} lines; at most ${FUNCTION_LINES_MAX}`);
  });
}

function linesOf(source: Source, node: Node): number {
  return linesIn(source.text.slice(node.start, node.end));
}

/** The lines of the tests that a function registers: a suite is as long as it has cases, each case is short. */
function linesOfTests(source: Source, suite: Node): number {
  const within = (node: Node, outer: Node) => node.start >= outer.start && node.end <= outer.end;
  const tests: Node[] = [];
  walk(suite, (node) => {
    if (isTestCall(node) && !tests.some((test) => within(node, test))) tests.push(node);
  });
  return tests.reduce((sum, test) => sum + linesOf(source, test), 0);
}

function noAny(source: Source, report: Report): void {
  walk(source.program, (node) => {
    if (node.type === 'TSAnyKeyword') report(node, 'any: say what it is, or unknown');
  });
}

function noDefaultExport(source: Source, report: Report): void {
  walk(source.program, (node) => {
    if (node.type === 'ExportDefaultDeclaration') report(node, 'export default');
    if (node.type === 'ExportSpecifier' && nameOf(node['exported']) === 'default') {
      report(node, 'export as default');
    }
  });
}

function noUtilsFile(source: Source, report: Report): void {
  if (/^(utils?|helpers?|misc|common)\.ts$/.test(posix.basename(source.path))) {
    report(source.program, 'a file is named after what it is about');
  }
}

function noEmptyCatch(source: Source, report: Report): void {
  walk(source.program, (node) => {
    if (node.type === 'CatchClause' && isEmptyBlock(node['body'])) report(node, 'empty catch');
    if (!isShipped(source.path) || node.type !== 'CallExpression' || !isNode(node['callee'])) return;
    const handler = (node['arguments'] as Node[])[0];
    if (node['callee'].type === 'MemberExpression' && propertyOf(node['callee']) === 'catch') {
      if (handler !== undefined && isEmptyBlock(handler['body'])) report(node, 'empty .catch()');
    }
  });
}

/** A block without statements, or the expression `undefined` of an arrow function. */
function isEmptyBlock(body: unknown): boolean {
  if (!isNode(body)) return false;
  return body.type === 'BlockStatement'
    ? (body['body'] as Node[]).length === 0
    : nameOf(body) === 'undefined';
}
