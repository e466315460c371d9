import assert from 'node:assert/strict';
import test from 'node:test';
import { errors, types } from 'cassandra-driver';
import { failureOf } from '../../src/adapters/scylla/failures.ts';
import { parseAddressMap, withPort } from '../../src/adapters/scylla/options.ts';
import { LeasesTwice, MappedAddresses } from '../../src/adapters/scylla/policies.ts';

const codes = types.responseErrorCodes;
const CAS_WRITE_UNKNOWN = 0x1700;
const WRITE_FAILURE = 0x1500;

function answer(code: number): Error {
  return new errors.ResponseError(code, 'told by the server');
}
function closed(requestNotWritten: boolean): Error {
  return Object.assign(new Error('Socket was closed'), { isSocketError: true, requestNotWritten });
}
function noHost(...why: unknown[]): Error {
  return new errors.NoHostAvailableError(
    Object.fromEntries(why.map((each, i) => [`10.0.0.${i}:9042`, each])),
  );
}
function timeout(): Error {
  return new errors.OperationTimedOutError('no answer', '10.0.0.1:9042');
}

test('scylla: what may be applied, by the error that the driver ends with', () => {
  const busy = new errors.BusyConnectionError('10.0.0.1:9042', 1, 1);
  const cases: readonly (readonly [Error, kind: string, write: boolean, conditional: boolean])[] = [
    [timeout(), 'clientTimeout', true, true],
    [closed(false), 'connection', true, true],
    [closed(true), 'connection', false, false],
    [answer(codes.unavailableException), 'unavailable', false, true],
    [answer(codes.writeTimeout), 'writeTimeout', true, true],
    [answer(WRITE_FAILURE), 'serverError', true, true],
    [answer(CAS_WRITE_UNKNOWN), 'serverError', true, true],
    [answer(codes.serverError), 'serverError', true, true],
    [answer(codes.overloaded), 'overloaded', true, true],
    [answer(codes.readTimeout), 'readTimeout', true, true],
    [answer(codes.truncateError), 'serverError', true, true],
    [answer(codes.isBootstrapping), 'rejected', false, false],
    [answer(codes.invalid), 'rejected', false, false],
    [answer(codes.unauthorized), 'rejected', false, false],
    [answer(codes.unprepared), 'rejected', false, false],
    [new Error('No connection available'), 'noHost', false, false],
    [busy, 'noHost', false, false],
    [noHost(), 'noHost', false, false],
    [noHost('Host considered as DOWN', null), 'noHost', false, false],
    [noHost(new Error('No connection available'), busy, closed(true)), 'noHost', false, false],
    [noHost(answer(codes.unprepared), 'Host considered as DOWN'), 'noHost', false, false],
    [noHost('Host considered as DOWN', timeout()), 'noHost', true, true],
    [noHost(closed(false)), 'noHost', true, true],
    [noHost(answer(codes.writeTimeout)), 'noHost', true, true],
    [new errors.DriverInternalError('a fault of the driver'), 'serverError', true, true],
  ];
  for (const [error, kind, write, conditional] of cases) {
    assert.deepEqual(failureOf(error, false), { kind, mayBeApplied: write, error }, error.message);
    assert.deepEqual(failureOf(error, true), { kind, mayBeApplied: conditional, error }, error.message);
  }
});

test('scylla: a fault of the program is thrown', () => {
  const fault = new TypeError('Not a valid Uuid');
  assert.throws(() => failureOf(fault, false), fault);
  assert.throws(() => failureOf('a text', false), TypeError);
});

test('scylla: addresses are mapped by their own port, or 9042; others stay', () => {
  const map = parseAddressMap(
    '10.0.0.1:9043=127.0.0.1:19043, 10.0.0.2=127.0.0.1:19042,[fe80::1]:9042=127.0.0.1',
  );
  assert.deepEqual(
    [...map],
    [
      ['10.0.0.1:9043', '127.0.0.1:19043'],
      ['10.0.0.2:9042', '127.0.0.1:19042'],
      ['[fe80::1]:9042', '127.0.0.1:9042'],
    ],
  );
  const translated = (address: string, port: number): string => {
    let endPoint = '';
    new MappedAddresses(map).translate(address, port, (told) => (endPoint = told));
    return endPoint;
  };
  assert.equal(translated('10.0.0.1', 9_043), '127.0.0.1:19043');
  assert.equal(translated('10.0.0.2', 9_042), '127.0.0.1:19042');
  assert.equal(translated('10.0.0.3', 9_042), '10.0.0.3:9042');
  assert.equal(withPort('db.example'), 'db.example:9042');
  for (const bad of ['', 'a', 'a=', '=b', 'a=b=c', 'a=b,'])
    assert.throws(() => parseAddressMap(bad), /their=ours/, bad);
});

test('scylla: reads of leases that are not answered soon go to a second node, and nothing else does', () => {
  const policy = new LeasesTwice(1_000);
  const delays = (query: string | object[]): number[] => {
    const plan = policy.newPlan('', query);
    return [plan.nextExecution(), plan.nextExecution()];
  };
  const lease = 'SELECT node, state FROM chat.node_lease';
  assert.deepEqual(
    [delays(lease), delays(`${lease} WHERE node = ?`)],
    [
      [400, -1],
      [400, -1],
    ],
  );
  for (const other of [
    "UPDATE chat.node_lease SET hb = ? WHERE node = ? IF state = 'live'",
    'SELECT owner, fence, head FROM chat.conv_owner WHERE conv = ?',
    'SELECT node FROM chat.node_lease_old',
    [{ query: lease }],
  ])
    assert.deepEqual(delays(other), [-1, -1], JSON.stringify(other));
});
