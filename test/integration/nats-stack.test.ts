import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { type Client, connect } from '../../src/client/node.ts';
import { lacking } from '../services/lacking.ts';
import { startStack } from '../services/stack.ts';
import { scratchDir, sleep, until } from '../support/server-process.ts';
import { ROOT } from '../tidy/tree.ts';

const options = { skip: lacking('java', 'mvn', 'go', 'redis-server'), timeout: 180_000 };
const WAIT_MS_MAX = 60_000;

function clientOf(t: TestContext, url: string, user: string): Client {
  const client = connect({ url, token: `dev:${user}` });
  t.after(() => client.close());
  return client;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('stack: two users chat over two edges, also after the sequencer was killed', options, async (t) => {
  const stack = await startStack();
  t.after(() => stack.stop());
  const [edgeA, edgeB] = stack.edges;
  const [sequencer] = stack.sequencers;
  assert.ok(edgeA !== undefined && edgeB !== undefined && sequencer !== undefined);
  const [ann, bob] = [clientOf(t, edgeA.url, 'ann'), clientOf(t, edgeB.url, 'bob')];
  await Promise.all([ann.ready(), bob.ready()]);
  const conv = await ann.create('direct', ['bob']);
  const bodies: unknown[] = [];
  bob
    .timeline(conv, { after: 0 })
    .on('append', (messages) => bodies.push(...messages.map(({ body }) => body)));
  assert.equal((await ann.send(conv, 'one')).seq, 1);
  await until('bob reads the first', WAIT_MS_MAX, () => bodies.length === 1);

  const [id, pid] = [await sequencer.id(), sequencer.pid];
  await sequencer.kill();
  assert.ok(sequencer.exited && !isAlive(pid));
  await sequencer.restart();
  assert.notEqual(await sequencer.id(), id, 'a restart is a new term');
  assert.match(sequencer.output, new RegExp(`${id}[^]*${await sequencer.id()}`), 'the output of both');
  assert.ok(sequencer.memoryBytes > 1024 * 1024 && sequencer.cpuSeconds > 0);

  assert.equal((await ann.send(conv, 'two')).seq, 2);
  await until('bob reads the second', WAIT_MS_MAX, () => bodies.length === 2);
  assert.deepEqual(bodies, ['one', 'two']);
  const metrics = await (await fetch(`${sequencer.adminUrl}/metrics`)).text();
  assert.match(metrics, /^carillon_term_state 1$/m);

  const pids = [...stack.edges, ...stack.sequencers].map((node) => node.pid);
  assert.equal(await edgeB.stop(), 0);
  await stack.stop();
  assert.deepEqual(pids.filter(isAlive), []);
});

interface StackMain {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly told: () => string;
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>;
}

function run(t: TestContext, command: readonly string[], env: NodeJS.ProcessEnv = process.env): StackMain {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', told: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.told += text));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    await ended;
  });
  return { child, out: () => said.out, told: () => said.told, ended };
}

const MAIN = [process.execPath, '--import', 'tsx', 'test/services/stack-main.ts'];

test(
  'npm run stack --json: one line, a killed node comes back, SIGTERM ends all of it',
  options,
  async (t) => {
    const main = run(t, ['npm', 'run', '--silent', 'stack', '--', '--json', '--edges', '1']);
    await until(
      'the line of JSON',
      2 * WAIT_MS_MAX,
      () => main.out().endsWith('\n') || main.child.exitCode !== null,
    );
    const lines = main.out().trimEnd().split('\n');
    assert.equal(lines.length, 1, `${main.out()}\n${main.told()}`);
    const ready = JSON.parse(lines[0] as string) as {
      edges: string[];
      sequencers: { id: string; pid: number }[];
      services: Record<string, { address: string; pid: number | null }>;
    };
    assert.deepEqual(Object.keys(ready.services).sort(), ['cassandra', 'nats', 'redis']);
    const [url] = ready.edges;
    const [sequencer] = ready.sequencers;
    assert.ok(url !== undefined && ready.edges.length === 1 && sequencer !== undefined);
    assert.match(sequencer.id, /^[0-9a-f-]{36}$/);
    const ann = clientOf(t, url, 'ann');
    const conv = await ann.create('group', ['bob'], 'g');
    await ann.send(conv, 'one');
    process.kill(sequencer.pid, 'SIGKILL');
    await until('it is ready again', WAIT_MS_MAX, () => main.told().includes('sequencer 1 is ready again'));
    assert.equal((await ann.send(conv, 'two')).seq, 3);

    main.child.kill('SIGTERM');
    assert.equal(await main.ended, 0, main.told());
    const pids = Object.values(ready.services).flatMap(({ pid }) => (pid === null ? [] : [pid]));
    assert.deepEqual(pids.filter(isAlive), []);
    await assert.rejects(fetch(`${url}/healthz`));
  },
);

test('stack: a signal while it starts ends it, and nothing is left', options, async (t) => {
  const tmp = scratchDir('stack-tmp');
  t.after(() => tmp.remove());
  const given = Object.keys(process.env).filter((name) => name.startsWith('CARILLON_TEST_'));
  const env = {
    ...process.env,
    TMPDIR: tmp.path,
    ...Object.fromEntries(given.map((name) => [name, undefined])),
  };
  const main = run(t, MAIN, env);
  await until('Redis runs', WAIT_MS_MAX, () => main.told().includes('Redis: ready'));
  await sleep(500);
  assert.ok(processesNaming(tmp.path).length > 0, 'Cassandra is starting');
  main.child.kill('SIGTERM');
  assert.equal(await main.ended, 0, main.told());
  assert.deepEqual(processesNaming(tmp.path), []);
  assert.deepEqual(
    readdirSync(tmp.path).filter((name) => name.startsWith('carillon-')),
    [],
  );
});

/** Pids of those with the path in their command line. */
function processesNaming(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
      } catch {
        return false; // it has just ended
      }
    });
}

test('npm run stack: a wrong flag is told, with what would be right', async (t) => {
  const cases: [readonly string[], RegExp][] = [
    [['--edges', '0'], /--edges 0: must be a whole number from 1 to 16/],
    [['--store-nodes', '2'], /--store-nodes 2: must be 1 or 3/],
    [['--nods', '2'], /--nods is no flag of this command; did you mean --nodes/],
    [['2'], /2: this command takes flags alone/],
  ];
  for (const [args, told] of cases) {
    const main = run(t, [...MAIN, ...args]);
    assert.equal(await main.ended, 2);
    assert.match(main.told(), told);
    assert.equal(main.out(), '');
  }
  const help = run(t, [...MAIN, '--help']);
  assert.equal(await help.ended, 0);
  for (const flag of ['--nodes', '--edges', '--store-nodes', '--json']) assert.ok(help.out().includes(flag));
});
