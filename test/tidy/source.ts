/** A source file as the tidy rules see it: its text, its syntax tree and what it imports. */
import { parseSync } from 'oxc-parser';

export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface Import {
  /** The specifier; undefined when it is computed. */
  readonly from: string | undefined;
  readonly node: Node;
}

export interface Source {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  readonly imports: readonly Import[];
}

/** Throws when the text does not parse. */
export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message ?? 'does not parse'}`);
  const root = program as unknown as Node;
  return { path, text, program: root, imports: findImports(root) };
}

/** Calls `visit` for each node, parents first; `key` is the parent's field that holds the node. */
export function walk(
  node: Node,
  visit: (node: Node, parent: Node | undefined, key: string) => void,
  parent?: Node,
  key = '',
): void {
  visit(node, parent, key);
  for (const [field, value] of Object.entries(node)) {
    if (isNode(value)) walk(value, visit, node, field);
    else if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) walk(item, visit, node, field);
    }
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

export function lineOf(source: Source, node: Node): number {
  return linesIn(source.text.slice(0, node.start));
}

/** The number of lines of `text`; a newline at its end opens no further one. */
export function linesIn(text: string): number {
  return text.replace(/\n$/, '').split('\n').length;
}

const GLOBAL_OBJECTS: ReadonlySet<unknown> = new Set(['globalThis', 'global', 'window', 'self']);

/** The name of an identifier, or of a global reached as `globalThis.name`. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return node['name'] as string;
  if (node.type !== 'MemberExpression' || node['computed'] === true) return undefined;
  const object = node['object'] as Node;
  return GLOBAL_OBJECTS.has(object['name']) ? propertyOf(node) : undefined;
}

/** `b` of `a.b` and of `a['b']`. */
export function propertyOf(node: Node): string | undefined {
  const property = node['property'] as Node;
  return node['computed'] === true ? stringOf(property) : (property['name'] as string | undefined);
}

/** The value of a string literal, or of a template without holes. */
export function stringOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Literal') return typeof node['value'] === 'string' ? node['value'] : undefined;
  if (node.type !== 'TemplateLiteral' || (node['expressions'] as Node[]).length > 0) return undefined;
  const [text] = node['quasis'] as { value: { cooked: string } }[];
  return text?.value.cooked;
}

const NAMING_KEYS: ReadonlySet<string> = new Set(['key', 'property', 'imported', 'exported', 'label']);

/** Whether an identifier stands for a value or type in scope, not for a property's, import's or label's name. */
export function isReference(node: Node, parent: Node | undefined, key: string): boolean {
  if (node.type !== 'Identifier') return false;
  if (parent === undefined || !NAMING_KEYS.has(key)) return true;
  return parent['computed'] === true;
}

const TEST_FUNCTIONS: ReadonlySet<unknown> = new Set(['test', 'it', 'describe', 'suite', 'check']);

/** `test(…)`, `t.test(…)`, `test.only(…)`; a contract suite's own `check(title, run)`. */
export function isTestCall(node: Node): boolean {
  return node.type === 'CallExpression' && isTestFunction(node['callee'] as Node);
}

function isTestFunction(callee: Node): boolean {
  if (callee.type === 'Identifier') return TEST_FUNCTIONS.has(callee['name']);
  if (callee.type !== 'MemberExpression') return false;
  return TEST_FUNCTIONS.has(propertyOf(callee)) || isTestFunction(callee['object'] as Node);
}

const IMPORTING: ReadonlySet<string> = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

function findImports(program: Node): Import[] {
  const imports: Import[] = [];
  walk(program, (node) => {
    if (IMPORTING.has(node.type) && isNode(node['source'])) {
      imports.push({ from: stringOf(node['source']), node });
    } else if (node.type === 'CallExpression' && isRequire(node['callee'])) {
      imports.push({ from: stringOf((node['arguments'] as Node[])[0]), node });
    }
  });
  return imports;
}

/** `require(…)`, `require.resolve(…)` and `createRequire(…)(…)`. */
function isRequire(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === 'CallExpression') return nameOf(callee['callee']) === 'createRequire';
  if (callee.type === 'MemberExpression') return nameOf(callee['object']) === 'require';
  return nameOf(callee) === 'require';
}
