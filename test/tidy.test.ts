import assert from 'node:assert/strict';
import test from 'node:test';
import { EXEMPTIONS } from './tidy/exemptions.ts';
import { type Finding, type Packages, checkSource } from './tidy/rules.ts';
import { parseSource } from './tidy/source.ts';
import { checkText } from './tidy/texts.ts';
import { listFiles, readText } from './tidy/tree.ts';

const CODE = /^(src|actors|cluster|bench|test)\/.*\.ts$/;
const NOT_TEXT = /\.(png|jpg|ico|woff2)$/;

const paths = listFiles();
const findings = [...sourceFindings(), ...textFindings()];

test('the sources keep the house rules', () => {
  const left = findings.filter((finding) => !EXEMPTIONS.some((exemption) => covers(exemption, finding)));
  if (left.length > 0) assert.fail(`${left.length} findings:\n${left.map(describe).join('\n')}`);
});

test('every exemption from a house rule is still needed', () => {
  const idle = EXEMPTIONS.filter((exemption) => !findings.some((finding) => covers(exemption, finding)));
  assert.deepEqual(idle, []);
});

test('the house rules are checked over the whole tree', () => {
  for (const path of ['src/core/ports.ts', 'actors/conversation-sequencer.ts', 'src/protocol/frames.ts']) {
    assert.ok(paths.includes(path) && CODE.test(path), `${path} is not among the checked files`);
  }
  assert.ok(paths.includes('package-lock.json'));
});

function sourceFindings(): Finding[] {
  const packages = readPackages();
  return paths
    .filter((path) => CODE.test(path))
    .flatMap((path) => checkSource(parseSource(path, readText(path)), packages));
}

function textFindings(): Finding[] {
  return paths.filter((path) => !NOT_TEXT.test(path)).flatMap((path) => checkText(path, readText(path)));
}

function readPackages(): Packages {
  const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as Record<string, object>;
  return {
    dependencies: new Set(Object.keys(dependencies ?? {})),
    devDependencies: new Set(Object.keys(devDependencies ?? {})),
  };
}

function covers(exemption: { rule: string; path: string }, finding: Finding): boolean {
  return exemption.rule === finding.rule && exemption.path === finding.path;
}

function describe({ path, line, rule, detail }: Finding): string {
  return `${path}:${line} ${rule}: ${detail}`;
}
