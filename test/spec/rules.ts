/** Reads rule numbers out of SPEC.md and out of the titles of tests. */
import { isTestCall, type Node, parseSource, stringOf, walk } from '../tidy/source.ts';
import { listFiles, readText } from '../tidy/tree.ts';

const NUMBER = /\bS\d+\.\d+\b/g;

/** What SPEC.md states, in its order, and for each rule that a test names one file that does. */
export function readRules(): {
  readonly stated: readonly string[];
  readonly named: ReadonlyMap<string, string>;
} {
  const named = new Map<string, string>();
  for (const path of listFiles()) {
    if (!/^test\/.*\.ts$/.test(path) || path === 'test/spec.test.ts') continue;
    for (const rule of namedRules(path, readText(path))) named.set(rule, path);
  }
  return { stated: statedRules(readText('SPEC.md')), named };
}

/** The rules that SPEC.md states, in its order, repetitions included: each is a list item that starts with its number. */
export function statedRules(spec: string): string[] {
  return [...spec.matchAll(/^- \*\*(S\d+\.\d+)\*\*/gm)].map((match) => match[1] as string);
}

/** The rules that the titles of a file's tests name. */
export function namedRules(path: string, code: string): string[] {
  const numbers: string[] = [];
  walk(parseSource(path, code).program, (node) => {
    if (!isTestCall(node)) return;
    const title = titleOf((node['arguments'] as Node[])[0]);
    for (const [number] of title.matchAll(NUMBER)) numbers.push(number);
  });
  return numbers;
}

/** All text in a title's expression: of a template the parts between its holes, of a call its arguments. */
function titleOf(title: Node | undefined): string {
  const texts: string[] = [];
  if (title === undefined) return '';
  walk(title, (node) => {
    if (node.type === 'TemplateElement') texts.push((node['value'] as { cooked: string }).cooked);
    else if (node.type === 'Literal') texts.push(stringOf(node) ?? '');
  });
  return texts.join(' ');
}
