import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { away } from '../scenarios/away.ts';
import { embeddedFor } from '../scenarios/deployment.ts';
import { reconnect } from '../scenarios/reconnect.ts';
import { prefs } from '../scenarios/prefs.ts';
import { presence, settings } from '../scenarios/users.ts';
import { receipts } from '../scenarios/receipts.ts';
import { retries } from '../scenarios/retries.ts';
import { syncs } from '../scenarios/syncs.ts';
import { freePort, scratchDir, ServerProcess, until } from '../support/server-process.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const WAIT_MS_MAX = 20_000;
const DAY_MS = 24 * 3_600_000;

interface Output {
  code: number | null;
  out: string;
  err: string;
}

function start(args: readonly string[]): {
  readonly child: ChildProcess;
  readonly output: Output;
  readonly ended: Promise<Output>;
} {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: 'pipe' });
  const output: Output = { code: null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  const ended = once(child, 'close').then(([code]) => Object.assign(output, { code: code as number | null }));
  return { child, output, ended };
}

function carillon(args: readonly string[], input = ''): Promise<Output> {
  const { child, ended } = start(args);
  child.stdin?.end(input);
  return ended;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

for (const subprotocol of ['binary', 'json'] as const) {
  test(`${subprotocol}: nothing is lost, doubled or reordered when the server is killed between`, {
    timeout: 60_000,
  }, async (t) => {
    const deployment = await embeddedFor(t, `client-${subprotocol}`);
    await reconnect(t, deployment, subprotocol);
  });
}

test('retries and sync over a restart of the server', { timeout: 60_000 }, async (t) => {
  const deployment = await embeddedFor(t, 'client-sync');
  await retries(deployment);
  await syncs(deployment);
});

test('S14.7 what was told of cursors outlives the server', { timeout: 60_000 }, async (t) => {
  const deployment = await embeddedFor(t, 'client-receipts');
  await receipts(deployment);
});

test('S16.2 S16.3 what a user has set is on all devices, and outlives the server', {
  timeout: 60_000,
}, async (t) => {
  const deployment = await embeddedFor(t, 'client-prefs');
  await prefs(deployment);
});

test('S17.1 S17.2 S17.3 S17.4 who is online is told over all devices, to whom it is to be shown', {
  timeout: 90_000,
}, async (t) => {
  const deployment = await embeddedFor(t, 'client-presence');
  await presence(deployment);
});

test('S14.8 S17.8 S17.9 what a user hides, and mentions, are on all devices, and outlive the server', {
  timeout: 60_000,
}, async (t) => {
  const deployment = await embeddedFor(t, 'client-settings');
  await settings(deployment);
});

test('S8.2 S14.4 S16.3 S17.8 S17.9 a device that was offline for 31 days learns what was done elsewhere', {
  timeout: 60_000,
}, async (t) => {
  const clock = `const{now}=Date;Date.now=()=>now()+${31 * DAY_MS}`;
  const later = { NODE_OPTIONS: `--import=data:text/javascript,${clock}` };
  const backAt = await away(await embeddedFor(t, 'client-away', {}, { env: later }));
  assert.ok(backAt > Date.now() + 30 * DAY_MS);
});

test('the command line sends, follows over a restart, looks back, and checks', {
  timeout: 90_000,
}, async (t) => {
  const data = scratchDir('cli');
  const port = await freePort();
  let server = await ServerProcess.start({ dataDir: data.path, port });
  t.after(async () => {
    await server.kill();
    data.remove();
  });
  const who = (user: string, to: string): string[] => ['--as', user, '--to', to, '--url', server.url];

  const one = await carillon(['send', ...who('ann', 'bob'), 'Hello', 'Bob']);
  assert.deepEqual([one.code, one.err], [0, '']);
  assert.match(one.out, /^acked: seq 1 of [0-9a-f-]{36}\n$/);

  const tail = start(['tail', ...who('bob', 'ann'), '--after', '0', '--json']);
  const tailed = (): number[] =>
    lines(tail.output.out).map((line) => (JSON.parse(line) as { seq: number }).seq);
  await until('tail shows the first', WAIT_MS_MAX, () => tailed().length === 1);
  const many = await carillon(
    ['send', ...who('ann', 'bob'), '--json'],
    Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join(''),
  );
  assert.equal(many.code, 0);
  assert.deepEqual(
    lines(many.out).map((line) => (JSON.parse(line) as { seq: number }).seq),
    range(2, 301),
  );
  assert.equal((await carillon(['check', '--data-dir', data.path])).code, 2);

  await server.stop();
  const check = await carillon(['check', '--data-dir', data.path]);
  assert.equal(check.code, 0, check.out + check.err);
  assert.match(check.out, /1 conversations, 301 events, 0 damages/);
  server = await ServerProcess.start({ dataDir: data.path, port });
  const after = await carillon(
    ['send', ...who('ann', 'bob')],
    'after the restart\n\nand an empty line before\n',
  );
  assert.equal(after.code, 0, after.err);
  assert.match(after.out, /^3 of 3 lines acked, the last is seq 304 of /);
  await until('tail has gone on', WAIT_MS_MAX, () => tailed().length === 304);
  assert.deepEqual(tailed(), range(1, 304));
  tail.child.kill('SIGINT');
  assert.equal((await tail.ended).code, 0);
  assert.match(tail.output.err, /no connection .*\n(.*\n)*connected again/);

  const seqsOf = async (...args: string[]): Promise<number[]> => {
    const history = await carillon(['history', ...who('bob', 'ann'), '--json', ...args]);
    assert.equal(history.code, 0, history.err);
    return lines(history.out).map((line) => (JSON.parse(line) as { seq: number }).seq);
  };
  assert.deepEqual(await seqsOf(), range(255, 304));
  assert.deepEqual(await seqsOf('--all'), range(1, 304));
  assert.deepEqual(await seqsOf('--limit', '250'), range(55, 304));
  assert.deepEqual(await seqsOf('--before', '10', '--limit', '3'), range(7, 9));
  assert.deepEqual(await seqsOf('--after', '10', '--limit', '3'), range(11, 13));
  const shown = await carillon(['history', ...who('bob', 'ann'), '--limit', '1']);
  assert.match(shown.out, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}#304 {2}ann: {2}and an empty line before\n$/);
});
