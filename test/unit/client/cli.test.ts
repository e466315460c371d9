import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { readFlags, readInteger } from '../../../src/cli/args.ts';
import { messageJson, messageText, printable, table } from '../../../src/cli/output.ts';
import type { Message } from '../../../src/protocol/frames.ts';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
const FLAGS = {
  to: { type: 'string', value: 'USER', help: '' },
  json: { type: 'boolean', help: '' },
} as const;

function carillon(...args: string[]): { code: number | null; out: string; err: string } {
  const run = spawnSync(process.execPath, ['--import', 'tsx', MAIN, ...args], { encoding: 'utf8' });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

test('flags are read, and a wrong one is named with the nearest right one', () => {
  assert.deepEqual(readFlags(['--to', 'bob', 'a', '--json', 'b'], FLAGS), {
    flags: { to: 'bob', json: true },
    words: ['a', 'b'],
  });
  assert.deepEqual(readFlags(['--to=bob', '--', '--json'], FLAGS), {
    flags: { to: 'bob', json: false },
    words: ['--json'],
  });
  assert.throws(() => readFlags(['--jsn'], FLAGS), /--jsn is no flag of this command; did you mean --json\?/);
  assert.throws(() => readFlags(['--constructor'], FLAGS), /no flag/);
  assert.throws(() => readFlags(['--to'], FLAGS), /--to needs a value: --to USER/);
  assert.throws(() => readFlags(['--json=1'], FLAGS), /--json takes no value/);
  assert.throws(() => readFlags(['--to', 'a', '--to', 'b'], FLAGS), /given twice/);
  assert.equal(readInteger('limit', '7', 1, 9), 7);
  for (const text of ['0', '10', '-1', '1.5', 'x', ''])
    assert.throws(() => readInteger('limit', text, 1, 9), /from 1 to 9/);
});

test('messages are printed for people without what a terminal obeys, and for scripts as JSON', () => {
  const message: Message = {
    ...{ t: 'message', conv: 'c', seq: 3, n: 2, ts: 0, from: 'ann', device: 'd', kind: 'text' },
    body: 'one\ntwo\u001b[2J\u202e',
  };
  assert.equal(
    messageText(message),
    '1970-01-01 00:00:00  #3  ann:  one\n                               two\ufffd[2J\ufffd',
  );
  assert.equal(JSON.parse(messageJson(message)).body, message.body);
  assert.equal(JSON.parse(messageJson({ ...message, body: new Uint8Array([255]) })).body.b64, '/w==');
  assert.equal(printable('a\u0000\u007f\u009bb\tc'), 'a\ufffd\ufffd\ufffdb  c');
  assert.equal(
    table([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
    'a    bb\n---  --\nccc  d',
  );
});

test('a wrong command line exits with 2 and says what would be right', () => {
  const unknown = carillon('snd');
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /snd is no command; did you mean send\?/);
  assert.match(carillon('history', '--to', 'bob').err, /one of --as USER \(dev\) and --token JWT/);
  assert.equal(carillon('send', '--as', 'ann', '--conv', 'x', 'hi').code, 2);
  assert.equal(carillon('start', '--prt', '1').code, 2);
});

test('help, version, and a server that is not there', () => {
  assert.match(carillon('--version').out, /^\d+\.\d+\.\d+\n$/);
  assert.match(carillon('tail', '--help').out, /Follows a conversation/);
  assert.equal(carillon('help').code, 0);
  const refused = carillon('send', '--as', 'ann', '--to', 'bob', '--url', 'http://127.0.0.1:1', 'hi');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /no server at http:\/\/127\.0\.0\.1:1/);
});

test('schema: what is wrong is told before any node of the store is asked', () => {
  const usage = carillon('schema');
  assert.equal(usage.code, 2);
  assert.match(usage.err, /carillon schema apply, or carillon schema status/);
  const points = ['--scylla-contact-points', '127.0.0.1:1'];
  const misplaced = carillon('schema', 'status', ...points, '--replication-factor', '1');
  assert.equal(misplaced.code, 2);
  assert.match(misplaced.err, /--replication-factor is for carillon schema apply/);
  const without = carillon('schema', 'status');
  assert.equal(without.code, 2);
  assert.match(without.err, /CARILLON_SCYLLA_CONTACT_POINTS is missing/);
  const away = carillon('schema', 'status', ...points);
  assert.equal(away.code, 1);
  assert.match(away.err, /^carillon: the store did not answer \(noHost\): .*ECONNREFUSED.*\n$/);
});
