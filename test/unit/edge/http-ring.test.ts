import assert from 'node:assert/strict';
import test from 'node:test';
import type { NodeId } from '../../../src/core/ids.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import type { RingAnswer, RingControl, RingOwner, RingStatus } from '../../../src/core/ring-control.ts';
import { adminHttp, type HttpOptions, mainHttp } from '../../../src/edge/http.ts';
import { listen } from '../../../src/edge/socket-server.ts';

const NODE = '01920000-0000-7000-8000-00000000000a';
const CONV = '01920000-0000-7000-8000-0000000000c0';
const TOKEN = 'a secret of the operators'.replaceAll(' ', '-');

const STATUS: RingStatus = {
  from: NODE,
  leaseTimeoutMs: 4000,
  partitions: 4096,
  nodes: [
    {
      ...{ node: NODE, state: 'live', beatAgeMs: 12, addr: 'http://127.0.0.1:9090', partitions: 4096 },
      ...{ owned: 7, moving: 0, lag: 1, walked: false },
    },
  ],
};

/** Notes what was asked of it. */
class AskedRing implements RingControl {
  readonly asked: string[] = [];
  answer: RingAnswer = { t: 'done' };
  away = false;
  found: RingOwner = { conv: CONV, owner: NODE, fence: 3, head: 41, shouldOwn: undefined };

  status(): RingStatus {
    return STATUS;
  }
  async owner(conv: string): Promise<RingOwner> {
    this.asked.push(`owner ${conv}`);
    if (this.away) throw new StoreUnavailable('no quorum of 10.0.0.1');
    return this.found;
  }
  drain(node: NodeId): RingAnswer {
    this.asked.push(`drain ${node}`);
    return this.answer;
  }
  undrain(node: NodeId): RingAnswer {
    this.asked.push(`undrain ${node}`);
    return this.answer;
  }
  async forget(node: NodeId): Promise<RingAnswer> {
    this.asked.push(`forget ${node}`);
    if (this.away) throw new StoreUnavailable('no quorum of 10.0.0.1');
    return this.answer;
  }
}

function options(about: Pick<HttpOptions, 'ring' | 'adminToken'>): HttpOptions {
  return {
    socketPath: '/v1/connect',
    files: new Map(),
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: '' }),
    node: () => ({ node: NODE, roles: ['sequencer'] }),
    presence: undefined,
    ...about,
  };
}

interface Asking {
  readonly method?: string;
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(handler: ReturnType<typeof mainHttp>, path: string, asking: Asking = {}) {
  const { method = 'GET', from = '127.0.0.1', headers = {} } = asking;
  const response = await handler({ method, path, remoteAddress: from, header: (name) => headers[name] });
  return { ...response, json: JSON.parse(String(response.body)) as Record<string, unknown> };
}

const POST = { method: 'POST' };

test('S12.7 the ring is shown, and what is asked of it reaches it', async () => {
  const ring = new AskedRing();
  const admin = adminHttp(options({ ring }));
  const status = await ask(admin, '/ring');
  assert.deepEqual([status.status, status.json], [200, STATUS]);
  assert.equal(status.headers['cache-control'], 'no-store');
  const owner = await ask(admin, `/ring/owner/${CONV}`);
  assert.deepEqual(owner.json, { conv: CONV, owner: NODE, fence: 3, head: 41, shouldOwn: null });
  for (const [action, code] of [
    ['drain', 202],
    ['undrain', 202],
    ['forget', 200],
  ] as const)
    assert.equal((await ask(admin, `/ring/${action}/${NODE}`, POST)).status, code, action);
  assert.deepEqual(ring.asked, [`owner ${CONV}`, `drain ${NODE}`, `undrain ${NODE}`, `forget ${NODE}`]);
});

test('what the ring refuses is 409 with its words; a store that is away is 503', async () => {
  const ring = new AskedRing();
  const admin = adminHttp(options({ ring }));
  ring.answer = { t: 'refused', message: 'no node would be left' };
  for (const action of ['drain', 'undrain', 'forget']) {
    const { status, json } = await ask(admin, `/ring/${action}/${NODE}`, POST);
    assert.deepEqual([status, json], [409, { error: 'no node would be left' }]);
  }
  ring.away = true;
  for (const away of [
    await ask(admin, `/ring/owner/${CONV}`),
    await ask(admin, `/ring/forget/${NODE}`, POST),
  ]) {
    assert.deepEqual([away.status, away.headers['retry-after']], [503, '1']);
    assert.match(String(away.json.error), /the store does not answer/);
  }
});

test('a wrong path, method or id never reaches the ring, and the answer says what is right', async () => {
  const ring = new AskedRing();
  const admin = adminHttp(options({ ring }));
  const upper = NODE.toUpperCase();
  for (const id of ['', '0192', `${NODE}/`, `${NODE}/x`, upper, `${NODE}%20`]) {
    const { status, json } = await ask(admin, `/ring/drain/${id}`, POST);
    assert.equal(status, 400, id);
    assert.match(String(json.error), /NODE in \/ring\/drain\/NODE must be a node's id/);
  }
  assert.equal((await ask(admin, '/ring/drain', POST)).status, 400);
  assert.match(String((await ask(admin, '/ring/owner/x')).json.error), /CONV .* UUID in lower case/);
  const got = await ask(admin, `/ring/drain/${NODE}`);
  assert.deepEqual([got.status, got.headers.allow], [405, 'POST']);
  const posted = await ask(admin, '/ring', POST);
  assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD']);
  for (const path of ['/ring/', '/ring/nothing', '/ring/constructor/x', `/ring//${NODE}`])
    assert.equal((await ask(admin, path)).status, 404, path);
  assert.deepEqual(ring.asked, []);
});

test('S12.7 without a token the ring is for programs on this machine', async () => {
  const ring = new AskedRing();
  const admin = adminHttp(options({ ring }));
  const drain = `/ring/drain/${NODE}`;
  const strangers: Asking[] = [
    { from: '10.1.2.3' },
    { headers: { 'x-forwarded-for': '127.0.0.1' } }, // through a proxy
    { headers: { origin: 'https://evil.example', host: '127.0.0.1:9090' } }, // a page in the operator's browser
    { headers: { host: 'rebound.example:9090' } }, // whose name resolves to loopback
    { headers: { authorization: `Bearer ${TOKEN}` }, from: '10.1.2.3' },
  ];
  for (const stranger of strangers) {
    const { status, json } = await ask(admin, drain, { ...POST, ...stranger });
    assert.equal(status, 403, JSON.stringify(stranger));
    assert.match(String(json.error), /CARILLON_ADMIN_TOKEN/);
    assert.equal((await ask(admin, '/ring', stranger)).status, 403);
  }
  assert.deepEqual(ring.asked, []);
  for (const host of ['127.0.0.1:9090', 'localhost:9090', '[::1]:9090', '127.0.0.1'])
    assert.equal((await ask(admin, drain, { ...POST, headers: { host } })).status, 202, host);
  assert.equal((await ask(admin, drain, { ...POST, from: '::1' })).status, 202);
});

test('S12.7 with a token it is for whoever gives it, from wherever', async () => {
  const ring = new AskedRing();
  const admin = adminHttp(options({ ring, adminToken: TOKEN }));
  for (const authorization of [undefined, '', TOKEN, `Basic ${TOKEN}`, 'Bearer ', `Bearer ${TOKEN}x`]) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const { status, json, headers: answered } = await ask(admin, `/ring/drain/${NODE}`, { ...POST, headers });
    assert.deepEqual([status, answered['www-authenticate']], [401, 'Bearer'], authorization);
    assert.match(String(json.error), /CARILLON_ADMIN_TOKEN/);
    assert.doesNotMatch(String(json.error), new RegExp(TOKEN));
  }
  assert.deepEqual(ring.asked, []);
  const headers = { authorization: `Bearer ${TOKEN}` };
  for (const from of ['127.0.0.1', '10.1.2.3'])
    assert.equal((await ask(admin, `/ring/drain/${NODE}`, { ...POST, from, headers })).status, 202);
});

test('a process of no cluster says so; the main port knows nothing of the ring', async () => {
  const { status, json } = await ask(adminHttp(options({})), '/ring');
  assert.equal(status, 404);
  assert.match(String(json.error), /no part of a cluster/);
  const main = mainHttp(options({ ring: new AskedRing(), adminToken: TOKEN }));
  const header = (name: string) => (name === 'authorization' ? `Bearer ${TOKEN}` : undefined);
  const got = await main({ method: 'GET', path: '/ring', remoteAddress: '127.0.0.1', header });
  assert.equal(got.status, 404);
});

for (const library of ['uws', 'ws'] as const) {
  test(`over ${library}: GET, HEAD and POST, with a body or without`, async (t) => {
    const ring = new AskedRing();
    const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const nothing = () => undefined;
    const server = await listen<undefined>(
      {
        ...{ host: '127.0.0.1', port: 0, tls: undefined, trustProxy: false, path: '/v1/connect' },
        ...{ logger: silent, bufferedBytesMax: 1024, payloadBytesMax: 1024 },
        admit: () => ({ status: 404, headers: {}, body: '' }),
        handlers: {
          ...{ open: nothing, message: nothing, alive: nothing, drain: nothing },
          ...{ dropped: nothing, closed: nothing },
        },
        http: adminHttp(options({ ring, adminToken: TOKEN })),
      },
      library,
    );
    t.after(() => server.close());
    const base = `http://127.0.0.1:${server.port}`;
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.deepEqual(await (await fetch(`${base}/ring`, { headers })).json(), STATUS);
    const head = await fetch(`${base}/ring`, { method: 'HEAD', headers });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.equal((await fetch(`${base}/ring/forget/${NODE}`, { method: 'POST' })).status, 401);
    for (const body of [undefined, 'x'.repeat(100_000)]) {
      const posted = await fetch(`${base}/ring/forget/${NODE}`, { method: 'POST', headers, body });
      assert.deepEqual([posted.status, await posted.json()], [200, { done: true }]);
    }
    assert.deepEqual(ring.asked, [`forget ${NODE}`, `forget ${NODE}`]);
  });
}
