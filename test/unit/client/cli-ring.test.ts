import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { checkNodeName, findNode } from '../../../src/cli/commands/ring-node.ts';
import { age, shares, sharesText, statusText } from '../../../src/cli/commands/ring-tables.ts';
import { barText } from '../../../src/cli/commands/ring-wait.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import type {
  RingAnswer,
  RingControl,
  RingNode,
  RingOwner,
  RingStatus,
} from '../../../src/core/ring-control.ts';
import { adminHttp } from '../../../src/edge/http.ts';
import { listen } from '../../../src/edge/socket-server.ts';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
const A = '01920000-aaaa-7000-8000-00000000000a';
const B = '01920000-bbbb-7000-8000-00000000000b';
const C = '01920000-bbbb-7000-8000-0000000000cb';
const CONV = '01920000-0000-7000-8000-0000000000c0';
const TOKEN = 'operators-secret';

function node(id: string, about: Partial<RingNode> = {}): RingNode {
  const addr = `http://10.0.0.${id.charCodeAt(35)}:9090`;
  const counts = { partitions: 2048, owned: 500, moving: 0, lag: 0 };
  return { node: id, state: 'live', beatAgeMs: 400, addr, ...counts, walked: false, ...about };
}

/** A ring whose bus loses the first wishes, and whose node hands `perLook` conversations over between two looks. */
class PlayedRing implements RingControl {
  readonly asked: string[] = [];
  nodes: RingNode[] = [node(A), node(B)];
  lost = 0;
  perLook = 500;
  refusal: string | undefined;
  away = false;
  /** Runs before each look. */
  beforeLook: (looks: number) => void = () => undefined;
  #looks = 0;

  status(): RingStatus {
    this.beforeLook(this.#looks++);
    const status = { from: A, leaseTimeoutMs: 4000, partitions: 4096, nodes: this.nodes };
    this.nodes = this.nodes.map((one) =>
      one.state === 'draining' ? { ...one, ...this.#handedOver(one) } : one,
    );
    return status;
  }

  #handedOver({ owned }: RingNode): Pick<RingNode, 'owned' | 'moving' | 'partitions'> {
    const left = Math.max(0, owned - this.perLook);
    return { owned: left, moving: left, partitions: 0 };
  }

  async owner(conv: string): Promise<RingOwner> {
    if (this.away) throw new StoreUnavailable('away');
    const owner = conv === CONV ? A : undefined;
    return { conv, owner, fence: 7, head: 41, shouldOwn: owner === undefined ? undefined : B };
  }
  drain(id: string): RingAnswer {
    return this.#wish('drain', id, 'draining');
  }
  undrain(id: string): RingAnswer {
    return this.#wish('undrain', id, 'live');
  }
  async forget(id: string): Promise<RingAnswer> {
    if (this.away) throw new StoreUnavailable('away');
    return this.#wish('forget', id, 'dead');
  }

  become(id: string, about: Partial<RingNode>): void {
    this.nodes = this.nodes.map((one) => (one.node === id ? { ...one, ...about } : one));
  }

  #wish(action: string, id: string, state: RingNode['state']): RingAnswer {
    this.asked.push(`${action} ${id}`);
    if (this.refusal !== undefined) return { t: 'refused', message: this.refusal };
    if (this.lost-- <= 0) this.become(id, { state });
    return { t: 'done' };
  }
}

function http(ring: RingControl | undefined, adminToken?: string): ReturnType<typeof adminHttp> {
  return adminHttp({
    ...{ socketPath: '/v1/connect', files: new Map(), presence: undefined, ring, adminToken },
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: '' }),
    node: () => ({ node: A, roles: ['sequencer'] }),
  });
}

async function serve(t: TestContext, ring?: RingControl, adminToken?: string): Promise<string> {
  const nothing = () => undefined;
  const server = await listen<undefined>(
    {
      ...{ host: '127.0.0.1', port: 0, tls: undefined, trustProxy: false, path: '/v1/connect' },
      logger: { info: nothing, warn: nothing, error: nothing },
      ...{ bufferedBytesMax: 1024, payloadBytesMax: 1024 },
      admit: () => ({ status: 404, headers: {}, body: '' }),
      handlers: {
        ...{ open: nothing, message: nothing, alive: nothing, drain: nothing },
        ...{ dropped: nothing, closed: nothing },
      },
      http: http(ring, adminToken),
    },
    'ws',
  );
  t.after(() => server.close());
  return `http://127.0.0.1:${server.port}`;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Settings {
  readonly env?: Readonly<Record<string, string>>;
  /** Hears of each piece of the standard error. */
  readonly watch?: (err: string, child: ChildProcess) => void;
}

/** Runs `carillon ring …` beside the server of this process. */
function ringCommand(args: readonly string[], { env = {}, watch }: Settings = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'ring', ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.err += text;
    watch?.(ended.err, child);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...ended })));
}

test('a node is named by its id, or by a beginning or an end that it alone has', () => {
  const status: RingStatus = {
    from: A,
    leaseTimeoutMs: 4000,
    partitions: 4096,
    nodes: [A, B, C].map((id) => node(id)),
  };
  for (const name of [A, A.toUpperCase(), '01920000-aaaa', '01920000-A', '000a', '-00000000000a'])
    assert.equal(findNode(status, checkNodeName(name)).node, A, name);
  assert.equal(findNode(status, '00cb').node, C);
  for (const name of ['a', '00a', 'node', 'xyz1', '', `${A}0`, '0192*'])
    assert.throws(() => checkNodeName(name), /4 or more characters of its beginning or its end/, name);
  assert.throws(
    () => findNode(status, '01920000-b'),
    (error: Error) => error.message.startsWith('01920000-b fits 2 nodes:\n') && !error.message.includes(A),
  );
  assert.throws(
    () => findNode(status, 'ffff'),
    (error: Error) => [A, B, C].every((id) => error.message.includes(id)),
  );
  // One's beginning that is another's end fits both.
  const crossed = { ...status, nodes: [node(`abcd0000-${A.slice(9)}`), node(`${A.slice(0, 32)}abcd`)] };
  assert.throws(() => findNode(crossed, 'abcd'), /fits 2 nodes/);
});

test('the tables: states, ages, totals, shares; and the bar of a drain', () => {
  assert.deepEqual([0, 420, 9_990, 12_300, 119_000, 180_000, 7_200_000].map(age), [
    ...['0.0 s', '0.4 s', '10.0 s', '12 s', '119 s', '3 min', '2 h'],
  ]);
  const nodes = [
    node(A, { partitions: 3072, owned: 100 }),
    node(B, { partitions: 1024, owned: 200, lag: 3 }),
    node(C, { state: 'draining', partitions: 0, owned: 700, moving: 700, addr: 'x\u001b[2J\ny' }),
  ];
  const status: RingStatus = { from: A, leaseTimeoutMs: 4000, partitions: 4096, nodes };
  const text = statusText(status);
  assert.match(
    text,
    /3 nodes \(2 live, 1 draining\), 4,096 partitions; 1,000 conversations owned, 700 moving, 3 behind/,
  );
  assert.match(text, new RegExp(`${C} +draining +0\\.4 s +x\ufffd\\[2J y +0 +700 +700 +0\n`));
  assert.match(
    statusText({ ...status, nodes: [node(A, { state: 'dead', walked: true })] }),
    /dead, looked after/,
  );
  assert.deepEqual(
    shares(status).map(({ ownedAfter, shareNow, shareAfter }) => [ownedAfter, shareNow, shareAfter]),
    [
      [750, 0.1, 0.75],
      [250, 0.2, 0.25],
      [0, 0.7, 0],
    ],
  );
  assert.match(sharesText(status), /700 of 1,000 conversations are to be moved/);
  assert.match(sharesText({ ...status, nodes: [] }), /Nothing is to be moved/);
  const bar = `[${'#'.repeat(18)}${'-'.repeat(6)}] 25 of 100 conversations left, 3 moving`;
  assert.equal(barText({ owned: 25, moving: 3 }, 100), bar);
  assert.match(barText({ owned: 0, moving: 0 }, 0), /^\[#{24}\] 0 of 0/);
});

test('S13.7 status, owner and rebalance --dry-run: tables for people, one JSON document for scripts', async (t) => {
  const ring = new PlayedRing();
  ring.become(B, { state: 'draining', partitions: 0, moving: 500 });
  ring.perLook = 0;
  const url = await serve(t, ring, TOKEN);
  const env = { CARILLON_ADMIN_TOKEN: TOKEN, CARILLON_ADMIN_PORT: new URL(url).port };
  const [table, json, found, none, shown, plan] = await Promise.all([
    ringCommand(['status'], { env }),
    ringCommand(['status', '--json', '--admin', `${url}/`, '--token', TOKEN]),
    ringCommand(['owner', CONV], { env }),
    ringCommand(['owner', A, '--json'], { env }),
    ringCommand(['rebalance', '--dry-run'], { env }),
    ringCommand(['rebalance', '--dry-run', '--json'], { env }),
  ]);
  assert.equal(table.code, 0, table.err);
  assert.match(table.out, new RegExp(`${B} +draining +0\\.4 s +http://10\\.0\\.0\\.98:9090 +0 +500 +500 +0`));
  assert.deepEqual(
    [json.code, (JSON.parse(json.out) as RingStatus).nodes.map((one) => one.node)],
    [0, [A, B]],
  );
  assert.equal(json.out.trimEnd().split('\n').length, 1);
  assert.match(found.out, new RegExp(`${CONV}  ${A}  7 +41 +${B}`));
  assert.equal(none.code, 1);
  assert.deepEqual(JSON.parse(none.out), { conv: A, owner: null, fence: 7, head: 41, shouldOwn: null });
  assert.match(shown.out, new RegExp(`${A} +live +2,048 +500 +50\\.0 % +0 +~500 +50\\.0 %`));
  assert.deepEqual([plan.code, (JSON.parse(plan.out) as { partitions: number }).partitions], [0, 4096]);
});

test('S13.8 drain repeats its wish until the ring shows it, then waits until nothing is left', async (t) => {
  const ring = new PlayedRing();
  ring.lost = 1;
  ring.perLook = 300;
  const url = await serve(t, ring);
  const { code, out, err } = await ringCommand(['drain', '01920000-b', '--admin', url]);
  assert.equal(code, 0, err);
  assert.match(out, new RegExp(`^${B} is drained \\(.* s\\): it owns nothing, and can be stopped\\.\n$`));
  assert.match(err, /…00000000000b asked to drain, \d+(\.\d)? s\n/);
  assert.deepEqual(ring.asked, [`drain ${B}`, `drain ${B}`]);

  ring.lost = 1;
  const back = await ringCommand(['undrain', '000b', '--json', '--admin', url]);
  const { elapsedMs, ...answer } = JSON.parse(back.out) as Record<string, unknown>;
  assert.deepEqual([back.code, answer], [0, { node: B, done: true, ending: 'done', owned: 0, moving: 0 }]);
  assert.ok((elapsedMs as number) >= 900);
  assert.deepEqual(ring.asked.slice(2), [`undrain ${B}`, `undrain ${B}`]);
});

test('S13.8 a drain that is not over in time, or is interrupted, goes on, and that is said', async (t) => {
  const late = new PlayedRing();
  late.perLook = 1;
  const [lateUrl, openUrl] = [
    await serve(t, late),
    await serve(t, Object.assign(new PlayedRing(), { perLook: 0 })),
  ];
  const [timedOut, interrupted] = await Promise.all([
    ringCommand(['drain', B, '--timeout', '3', '--json', '--admin', lateUrl]),
    ringCommand(['drain', B, '--admin', openUrl], {
      watch: (err, child) => {
        if (err.includes('conversations left') && !child.killed) child.kill('SIGINT');
      },
    }),
  ]);
  assert.equal(timedOut.code, 1);
  const { done, ending, owned } = JSON.parse(timedOut.out) as Record<string, unknown>;
  assert.deepEqual([done, ending], [false, 'timedOut']);
  assert.ok((owned as number) > 480);
  assert.match(timedOut.err, /is not drained after \d\.\d s: it is draining, \d{3} conversations owned/);
  assert.equal(interrupted.code, 1);
  assert.match(
    interrupted.err,
    /500 conversations owned, .* The drain goes on; carillon ring undrain ends it/,
  );
});

test('a node that dies, comes back by another hand, or is refused ends the wait with its reason', async (t) => {
  const dying = new PlayedRing();
  dying.perLook = 1;
  dying.beforeLook = (looks) => looks === 2 && dying.become(B, { state: 'dead' });
  const undone = new PlayedRing();
  undone.perLook = 1;
  undone.beforeLook = (looks) => looks === 2 && undone.become(B, { state: 'live' });
  const refused = new PlayedRing();
  refused.refusal = 'no node would be left that is live and not draining';
  const dead = new PlayedRing();
  dead.become(B, { state: 'dead' });
  const run = async (ring: RingControl) => ringCommand(['drain', '000b', '--admin', await serve(t, ring)]);
  const ends = await Promise.all([dying, undone, refused, dead].map(run));
  assert.deepEqual(
    ends.map(({ code, out }) => [code, out]),
    Array.from({ length: 4 }, () => [1, '']),
  );
  const said = [/ended before it was drained/, /taken into the ring again by someone else/];
  for (const [i, pattern] of [
    ...said,
    /no node would be left/,
    /is dead: it owns nothing any more/,
  ].entries())
    assert.match(ends[i]?.err ?? '', pattern);
  assert.deepEqual([refused.asked.length, dead.asked.length, undone.asked.length], [1, 0, 1]);
});

test('a node that does not answer for a while is asked again', async (t) => {
  const ring = new PlayedRing();
  const handler = http(ring);
  let requests = 0;
  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (++requests === 3)
      message.socket.destroy(); // the look behind the first wish
    else {
      const { method = '', url = '' } = message;
      const header = (name: string) => message.headers[name]?.toString();
      const { status, body } = await handler({ method, path: url, remoteAddress: '127.0.0.1', header });
      response.writeHead(status).end(body);
    }
  };
  const server = createServer((message, response) => void answer(message, response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, out, err } = await ringCommand(['drain', B, '--admin', url]);
  assert.equal(code, 0, err);
  assert.match(out, /is drained/);
  assert.match(err, /no node answers at http:\S+ \(\w+\)/);
});

test('forget, and what stands in its way', async (t) => {
  const ring = new PlayedRing();
  ring.become(A, { state: 'silent' });
  const url = await serve(t, ring);
  const forgotten = await ringCommand(['forget', '01920000-A', '--admin', url]);
  assert.deepEqual([forgotten.code, ring.asked], [0, [`forget ${A}`]]);
  assert.match(forgotten.out, /is marked as dead: the others take over/);
  ring.away = true;
  const [away, unknown, dead] = await Promise.all([
    ringCommand(['forget', '000a', '--admin', url]),
    ringCommand(['forget', 'ffff', '--admin', url]),
    ringCommand(['owner', CONV, '--admin', url]),
  ]);
  assert.deepEqual([away.code, unknown.code, dead.code], [1, 1, 1]);
  assert.match(away.err, /the store does not answer; try again/);
  assert.match(unknown.err, new RegExp(`ffff is no node of the ring; it has:\n  ${A}  dead`));
  assert.match(dead.err, /the store does not answer/);
});

test('a wrong command line is 2; a wrong token, an embedded server or no server is 1', async (t) => {
  const url = await serve(t, new PlayedRing(), TOKEN);
  const embedded = await serve(t);
  const page = createServer((_, response) => response.end('<!doctype html>')).listen(0, '127.0.0.1');
  await new Promise((resolve) => page.once('listening', resolve));
  t.after(() => page.close());
  const other = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const cases: readonly [readonly string[], number, RegExp][] = [
    [[], 2, /say what to do: carillon ring status \| drain NODE/],
    [['drian', B], 2, /ring drian is none; did you mean ring drain\?/],
    [['drain'], 2, /NODE is missing/],
    [['drain', A, B], 2, /one NODE at a time/],
    [['drain', '00b'], 2, /00b: must be a node's id/],
    [['drain', B, '--timeout', '0'], 2, /--timeout 0: must be a whole number from 1/],
    [['status', '--timeout', '5'], 2, /--timeout is for carillon ring drain and undrain/],
    [['owner', 'x'], 2, /x: must be a conversation's id/],
    [['rebalance'], 2, /conversations move by themselves/],
    [['status', '--admin', 'localhost'], 2, /--admin localhost: must be like http/],
    [['status', '--admin', url], 1, /CARILLON_ADMIN_TOKEN, in the header/],
    [['drain', B, '--admin', url, '--token', 'wrong'], 1, /CARILLON_ADMIN_TOKEN/],
    [['status', '--admin', embedded], 1, /no part of a cluster/],
    [['status', '--admin', other], 1, /is no admin port of Carillon \(HTTP 200, not JSON\)/],
    [['status', '--admin', 'http://127.0.0.1:1'], 1, /no node answers at http:\/\/127\.0\.0\.1:1 \(/],
  ];
  for (let i = 0; i < cases.length; i += 3) {
    await Promise.all(
      cases.slice(i, i + 3).map(async ([args, code, pattern]) => {
        const ended = await ringCommand(args);
        assert.deepEqual([ended.code, ended.out], [code, ''], `${args.join(' ')}: ${ended.err}`);
        assert.match(ended.err, pattern);
      }),
    );
  }
});
