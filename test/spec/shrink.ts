/** `node --import tsx test/spec/shrink.ts`: takes the rules that tests name by now off the list in unproven.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readText, ROOT } from '../tidy/tree.ts';
import { readRules } from './rules.ts';
import { UNPROVEN } from './unproven.ts';

const PATH = 'test/spec/unproven.ts';

const { named } = readRules();
const left = UNPROVEN.filter((rule) => !named.has(rule));
const areas = new Map<string, string[]>();
for (const rule of left) {
  const area = rule.slice(0, rule.indexOf('.'));
  areas.set(area, [...(areas.get(area) ?? []), `'${rule}'`]);
}
const list = [...areas.values()].map((rules) => `  ${rules.join(', ')},\n`).join('');
const text = readText(PATH)
  .replace(/UNPROVEN_MAX = \d+/, `UNPROVEN_MAX = ${left.length}`)
  .replace(/= \[\n[^\]]*\];/, `= [\n${list}];`);
writeFileSync(join(ROOT, PATH), text);
console.log(`${UNPROVEN.length - left.length} taken off, ${left.length} left`);
