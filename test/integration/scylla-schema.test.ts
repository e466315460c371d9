import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { after } from 'node:test';
import { MIGRATIONS } from '../../src/adapters/scylla/schema.ts';
import { cassandraMissing, connectScylla, type TestCassandra, testCassandra } from '../support/scylla.ts';

const skip = cassandraMissing() ?? false;
const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const latest = MIGRATIONS.length;
const titles = MIGRATIONS.map(({ title }) => title);

let cassandra: TestCassandra | undefined;
after(() => cassandra?.stop());

function carillon(args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { code: status, out: stdout, err: stderr };
}

test('carillon schema: missing, applied, current; applied again it changes nothing', { skip }, async () => {
  cassandra = await testCassandra();
  const { contactPoints, keyspace, localDc } = cassandra.options;
  const env = {
    CARILLON_SCYLLA_CONTACT_POINTS: contactPoints.join(','),
    CARILLON_SCYLLA_KEYSPACE: keyspace,
    CARILLON_SCYLLA_LOCAL_DC: localDc,
  };
  const missing = carillon(['schema', 'status'], env);
  assert.equal(missing.code, 1, missing.err);
  assert.match(missing.out, /^version +state +migration\n-+ +-+ +-+\n1 +pending +leases, owners/);
  assert.match(missing.out, new RegExp(`The schema in ${keyspace} is missing \\(version 0 of ${latest}\\)`));

  // More copies than nodes: refused before anything is created.
  const tooMany = carillon(['schema', 'apply', '--replication-factor', '99'], env);
  assert.equal(tooMany.code, 2);
  assert.match(
    tooMany.err,
    /has 1 node, too few for 99 copies: .* --replication-factor 1\n|has \d+ nodes, too few/,
  );
  const still = carillon(['schema', 'status', '--json'], env);
  const before = { keyspace, state: 'missing', version: 0, latest, pending: titles };
  assert.deepEqual([still.code, JSON.parse(still.out)], [1, before]);

  const current = { keyspace, state: 'current', version: latest, latest, pending: [] };
  const applied = carillon(['schema', 'apply', '--replication-factor=1', '--json'], env);
  assert.equal(applied.code, 0, applied.err);
  assert.deepEqual(JSON.parse(applied.out), { ...current, applied: titles });
  const again = carillon(['schema', 'apply', '--json'], env);
  assert.deepEqual([again.code, JSON.parse(again.out)], [0, { ...current, applied: [] }]);

  // Flags do what the variables do.
  const flags = ['--scylla-contact-points', contactPoints.join(','), `--scylla-keyspace=${keyspace}`];
  const status = carillon(['schema', 'status', ...flags, '--scylla-local-dc', localDc]);
  assert.equal(status.code, 0, status.err);
  assert.match(status.out, /1 +applied +leases, owners/);
  assert.match(status.out, new RegExp(`${keyspace} is current \\(version ${latest} of ${latest}\\)`));
});

test('carillon schema: one that others made is left alone', { skip }, async () => {
  assert.ok(cassandra, 'the first test starts it');
  const { options } = cassandra;
  const { contactPoints, keyspace, localDc } = options;
  const client = await connectScylla(options);
  await client.driver.execute(`UPDATE ${keyspace}.schema_log SET digest = 'other' WHERE id = 1`);
  await client.close();
  const env = {
    CARILLON_SCYLLA_CONTACT_POINTS: contactPoints.join(','),
    CARILLON_SCYLLA_KEYSPACE: keyspace,
    CARILLON_SCYLLA_LOCAL_DC: localDc,
  };
  for (const action of ['status', 'apply']) {
    const { code, out } = carillon(['schema', action], env);
    assert.equal(code, 1);
    assert.match(out, /is different .* nothing is applied to it/);
  }
  const elsewhere = carillon(['schema', 'status'], { ...env, CARILLON_SCYLLA_LOCAL_DC: 'mars' });
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /mars/);
  assert.equal(elsewhere.err.trimEnd().split('\n').length, 1, elsewhere.err);
});
