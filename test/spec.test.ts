import assert from 'node:assert/strict';
import test from 'node:test';
import { namedRules, readRules, statedRules } from './spec/rules.ts';
import { UNPROVEN, UNPROVEN_MAX } from './spec/unproven.ts';

const { stated, named } = readRules();

test('every rule of SPEC.md has a number of its own', () => {
  assert.ok(stated.length > 100, `only ${stated.length} rules found`);
  assert.deepEqual(
    stated.filter((rule, index) => stated.indexOf(rule) !== index),
    [],
  );
});

test('every rule of SPEC.md is named by a test, or is listed as not yet proven', (t) => {
  const missing = stated.filter((rule) => !named.has(rule) && !UNPROVEN.includes(rule));
  assert.deepEqual(missing, [], 'rules that no test title names');
  t.diagnostic(`${stated.length - UNPROVEN.length} of ${stated.length} rules are named by a test`);
  if (UNPROVEN.length > 0) t.diagnostic(`not yet proven by a named test: ${UNPROVEN.join(' ')}`);
});

test('the list of unproven rules only shrinks', () => {
  const proven = UNPROVEN.filter((rule) => named.has(rule));
  assert.deepEqual(
    proven,
    [],
    'named by a test: run test/spec/shrink.ts, which takes them off test/spec/unproven.ts',
  );
  assert.deepEqual(
    UNPROVEN.filter((rule) => !stated.includes(rule)),
    [],
    'no such rule',
  );
  assert.equal(UNPROVEN.length, UNPROVEN_MAX, 'lower UNPROVEN_MAX with the list, never raise it');
});

test('no test names a rule that SPEC.md does not state', () => {
  const unknown = [...named].filter(([rule]) => !stated.includes(rule));
  assert.deepEqual(unknown, []);
});

test('rule numbers are read from the titles of tests alone', () => {
  const code =
    "test('S1.1 and S2.10: a', f); t.test(`S3.1 ${x} S3.2`, f); // S4.1\nf('S5.1'); it.skip(name('S6.1'), f('S7.1'));";
  assert.deepEqual(namedRules('test/a.test.ts', code), ['S1.1', 'S2.10', 'S3.1', 'S3.2', 'S6.1']);
  assert.deepEqual(statedRules('- **S1.1** a\n- b **S1.2**\n- **S1.3** c'), ['S1.1', 'S1.3']);
});
