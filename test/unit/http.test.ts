import assert from 'node:assert/strict';
import test from 'node:test';
import type { Presence } from '../../src/core/presence-port.ts';
import { canonicalAddress, clientAddress, clientNetwork, isLoopback } from '../../src/edge/address.ts';
import { Admission, type AdmissionOptions } from '../../src/edge/admission.ts';
import { adminHttp, type HttpOptions, mainHttp } from '../../src/edge/http.ts';
import type { HttpRequest, HttpResponse } from '../../src/edge/socket.ts';

function request(
  path: string,
  overrides: { method?: string; from?: string; headers?: Record<string, string> } = {},
): HttpRequest {
  const { method = 'GET', from = '127.0.0.1', headers = {} } = overrides;
  return { method, path, remoteAddress: from, header: (name) => headers[name] };
}

function options(overrides: Partial<HttpOptions> = {}): HttpOptions {
  return {
    socketPath: '/v1/connect',
    files: new Map([
      ['/index.html', { bytes: Buffer.from('<!doctype html>'), type: 'text/html; charset=utf-8' }],
      ['/app.js', { bytes: Buffer.from('start()'), type: 'text/javascript' }],
    ]),
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: 'carillon_connections 0\n' }),
    node: () => ({ node: 'n1', roles: ['edge'] }),
    presence: undefined,
    ...overrides,
  };
}

async function ask(
  handler: ReturnType<typeof mainHttp>,
  ...about: Parameters<typeof request>
): Promise<HttpResponse> {
  return handler(request(...about));
}

test('the page is served with a strong ETag, revalidation and a strict policy', async () => {
  const handler = mainHttp(options());
  const page = await ask(handler, '/', { headers: { host: 'chat.example:8443' } });
  assert.equal(page.status, 200);
  assert.equal(String(page.body), '<!doctype html>');
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal(page.headers['cache-control'], 'no-cache');
  const policy = page.headers['content-security-policy'] ?? '';
  assert.match(policy, /^default-src 'none'; script-src 'self';/);
  assert.match(policy, /connect-src 'self' ws:\/\/chat\.example:8443 wss:\/\/chat\.example:8443;/);
  const etag = page.headers.etag ?? '';
  assert.match(etag, /^"[\w-]{43}"$/);
  for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    assert.equal((await ask(handler, '/index.html', { headers: { 'if-none-match': header } })).status, 304);
  }
  assert.equal((await ask(handler, '/app.js', { headers: { 'if-none-match': etag } })).status, 200);
});

test('a hostile Host header does not get into the policy', async () => {
  const page = await ask(mainHttp(options()), '/', { headers: { host: "x; script-src 'unsafe-inline'" } });
  assert.match(page.headers['content-security-policy'] ?? '', /connect-src 'self'; base-uri/);
});

test('404, 405 and 426 say what is wrong', async () => {
  const handler = mainHttp(options());
  const missing = await ask(handler, '/../etc/passwd\r\nx');
  assert.deepEqual([missing.status, missing.body], [404, 'There is nothing at /../etc/passwd??x.\n']);
  const posted = await ask(handler, '/app.js', { method: 'POST' });
  assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD']);
  const plain = await ask(handler, '/v1/connect');
  assert.deepEqual([plain.status, plain.headers.upgrade], [426, 'websocket']);
});

test('/healthz lives, /readyz gives its reasons', async () => {
  let reasons = ['store: the disk is full'];
  const handler = mainHttp(options({ readiness: () => ({ ready: reasons.length === 0, reasons }) }));
  assert.equal((await ask(handler, '/healthz')).status, 200);
  const not = await ask(handler, '/readyz');
  assert.deepEqual([not.status, JSON.parse(String(not.body))], [503, { ready: false, reasons }]);
  reasons = [];
  const now = await ask(handler, '/readyz');
  assert.deepEqual([now.status, JSON.parse(String(now.body))], [200, { ready: true, reasons: [] }]);
});

test('/metrics is for loopback on the main port, for all on the admin port', async () => {
  const main = mainHttp(options());
  const admin = adminHttp(options());
  assert.match(String((await ask(main, '/metrics')).body), /carillon_connections/);
  assert.equal((await ask(main, '/metrics', { from: '10.1.2.3' })).status, 403);
  assert.equal((await ask(main, '/metrics', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status, 403);
  assert.equal((await ask(admin, '/metrics', { from: '10.1.2.3' })).status, 200);
  assert.equal((await ask(admin, '/readyz')).status, 200);
  assert.equal((await ask(admin, '/')).status, 404);
});

test('addresses have one spelling each', () => {
  assert.equal(canonicalAddress('0000:0000:0000:0000:0000:0000:0000:0001'), '::1');
  assert.equal(canonicalAddress('::FFFF:10.0.0.1'), '10.0.0.1');
  assert.equal(canonicalAddress('10.0.0.1'), '10.0.0.1');
  assert.equal(clientAddress('10.0.0.1', '1.1.1.1, 2.2.2.2', true), '2.2.2.2');
  assert.equal(clientAddress('10.0.0.1', '1.1.1.1, nonsense', true), '10.0.0.1');
  assert.equal(clientAddress('10.0.0.1', '1.1.1.1', false), '10.0.0.1');
  assert.deepEqual(['::1', '127.9.9.9', '128.0.0.1', '127.evil.example'].map(isLoopback), [
    true,
    true,
    false,
    false,
  ]);
  assert.equal(clientNetwork('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(clientNetwork('2001:db8::6'), '2001:db8:0:0::/64');
  assert.equal(clientNetwork('2001:db8:0:0:1::'), '2001:db8:0:0::/64');
  assert.equal(clientNetwork('10.0.0.1'), '10.0.0.1');
});

function admission(overrides: Partial<AdmissionOptions> = {}): Admission {
  return new Admission({
    connectionsMax: 5,
    connectionsPerAddressMax: 2,
    origins: undefined,
    loopbackOnly: false,
    trustProxy: false,
    ...overrides,
  });
}

function statusFor(
  policy: Admission,
  headers: Record<string, string>,
  from = '10.0.0.1',
): number | undefined {
  return policy.admit(request('/v1/connect', { from, headers }))?.status;
}

test('without a list, only the own page may connect; no Origin is no page', () => {
  const own = admission();
  assert.equal(statusFor(own, {}), undefined);
  assert.equal(statusFor(own, { host: 'chat.example', origin: 'https://chat.example' }), undefined);
  assert.equal(statusFor(own, { host: 'chat.example:443', origin: 'https://chat.example' }), undefined);
  assert.equal(statusFor(own, { host: 'chat.example:8080', origin: 'http://chat.example:8080' }), undefined);
  for (const origin of [
    'https://evil.example',
    'https://chat.example:444',
    'https://chat.example.evil',
    'null',
    'x',
  ]) {
    assert.equal(statusFor(own, { host: 'chat.example', origin }), 403, origin);
  }
  assert.equal(statusFor(own, { origin: 'https://chat.example' }), 403);
  const forwarded = {
    host: 'inner:8080',
    'x-forwarded-host': 'chat.example',
    origin: 'https://chat.example',
  };
  assert.equal(statusFor(own, forwarded), 403);
  assert.equal(statusFor(admission({ trustProxy: true }), forwarded), undefined);
});

test('a development server is safe from names that are made to point at it', () => {
  const dev = admission({ loopbackOnly: true });
  assert.equal(statusFor(dev, { host: 'evil.example:8080', origin: 'http://evil.example:8080' }), 403);
  for (const host of ['localhost:8080', '127.0.0.1:8080', '[::1]:8080']) {
    assert.equal(statusFor(dev, { host, origin: `http://${host}` }), undefined, host);
  }
});

test('a list of origins is the whole list', () => {
  const listed = admission({ origins: ['https://a.example'] });
  assert.equal(statusFor(listed, { origin: 'https://a.example', host: 'x' }), undefined);
  assert.equal(statusFor(listed, { origin: 'https://x', host: 'x' }), 403);
  assert.equal(statusFor(listed, { origin: 'null', host: 'x' }), 403);
  assert.equal(statusFor(admission({ origins: ['*'] }), { origin: 'null' }), undefined);
});

test('connections are capped in all and per address, and counted down again', () => {
  const policy = admission();
  for (const address of ['2001:db8::1', '2001:db8::2', '::1', '::1', '::1']) {
    assert.equal(statusFor(policy, {}, address), undefined);
    policy.opened(address);
  }
  assert.equal(policy.connections, 5);
  const refusal = policy.admit(request('/v1/connect', { from: '10.0.0.1' }));
  assert.deepEqual([refusal?.status, refusal?.headers['retry-after']], [503, '5']);
  policy.closed('::1');
  assert.equal(statusFor(policy, {}, '2001:db8::3'), 429);
  assert.equal(statusFor(policy, {}, '10.0.0.1'), undefined);
  policy.closed('2001:db8::1');
  assert.equal(statusFor(policy, {}, '2001:db8::3'), undefined);
});

test('a draining node refuses with Retry-After', () => {
  const policy = admission();
  policy.drain(1_500);
  const refusal = policy.admit(request('/v1/connect'));
  assert.deepEqual([refusal?.status, refusal?.headers['retry-after']], [503, '2']);
});

test('the admin port tells who the node is, and where a user is connected', async () => {
  const devices = [{ device: 'phone', edge: 'e1' }];
  const presence: Presence = {
    online: () => undefined,
    offline: () => undefined,
    devices: (user) => Promise.resolve(user === 'gone' ? 'unknown' : devices),
  };
  const handler = adminHttp(options({ presence }));
  const body = async (path: string): Promise<unknown[]> => {
    const answer = await ask(handler, path);
    return [answer.status, JSON.parse(String(answer.body))];
  };
  assert.deepEqual(await body('/node'), [200, { node: 'n1', roles: ['edge'] }]);
  assert.deepEqual(await body('/presence/ann'), [200, { user: 'ann', devices }]);
  assert.deepEqual(await body('/presence/gone'), [503, { error: 'the presence service does not answer' }]);
  const [status, wrong] = await body('/presence/a%20b');
  assert.equal(status, 400);
  assert.match(JSON.stringify(wrong), /USER/);
  assert.equal((await ask(mainHttp(options({ presence })), '/presence/ann')).status, 404);
  assert.equal((await ask(adminHttp(options()), '/presence/ann')).status, 404);
});
