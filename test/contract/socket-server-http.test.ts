import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import type { HttpRequest, HttpResponse } from '../../src/edge/socket.ts';
import { bytesOf, join, serve, until } from './socket-server.harness.ts';

const certFile = fileURLToPath(new URL('fixtures/localhost-cert.pem', import.meta.url));
const keyFile = fileURLToPath(new URL('fixtures/localhost-key.pem', import.meta.url));

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function ask(
  url: string,
  method = 'GET',
  headers: Record<string, string> = {},
  body = '',
): Promise<Answer> {
  const options = { method, headers, rejectUnauthorized: false };
  const outgoing = url.startsWith('https:') ? httpsRequest(url, options) : httpRequest(url, options);
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, headers: response.headers, body: text };
}

function pages(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
  const answer = (status: number, body: string | Uint8Array): HttpResponse => ({
    status,
    headers: { 'x-test': 'yes' },
    body,
  });
  switch (request.path) {
    case '/hello':
      return answer(200, `${request.method} ${request.header('x-name') ?? 'nobody'}`);
    case '/bytes':
      return answer(200, new Uint8Array(200_000).fill(0x61));
    case '/later':
      return new Promise((resolve) => {
        setTimeout(() => resolve(answer(200, `later, ${request.header('X-Name')}`)), 10);
      });
    case '/unchanged':
      return answer(304, 'the same as before');
    case '/throws':
      throw new Error('the handler is broken');
    case '/rejects':
      return Promise.reject(new Error('the handler is broken later'));
    default:
      return answer(404, 'nothing here');
  }
}

for (const library of ['uws', 'ws'] as const) {
  const title = (text: string): string => `socket server (${library}), HTTP: ${text}`;

  test(title('GET, HEAD, POST with a body, 404, 304'), async (t) => {
    const { server } = await serve(library, t, { http: pages });
    const base = `http://127.0.0.1:${server.port}`;
    const hello = await ask(`${base}/hello?to=all`, 'GET', { 'X-Name': 'ann' });
    assert.deepEqual([hello.status, hello.body, hello.headers['x-test']], [200, 'GET ann', 'yes']);
    const head = await ask(`${base}/bytes`, 'HEAD');
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '200000', '']);
    assert.equal((await ask(`${base}/bytes`)).body.length, 200_000);
    assert.equal((await ask(`${base}/hello`, 'POST', {}, 'x'.repeat(50_000))).body, 'POST nobody');
    const missing = await ask(`${base}/nowhere`);
    assert.deepEqual([missing.status, missing.body], [404, 'nothing here']);
    const unchanged = await ask(`${base}/unchanged`);
    assert.deepEqual(
      [unchanged.status, unchanged.headers['content-length'], unchanged.body],
      [304, '18', ''],
    );
  });

  test(title('a handler may answer later, and look at headers then'), async (t) => {
    const { server } = await serve(library, t, { http: pages });
    const later = await ask(`http://127.0.0.1:${server.port}/later`, 'GET', { 'x-name': 'bob' });
    assert.deepEqual([later.status, later.body], [200, 'later, bob']);
    const impatient = httpRequest(`http://127.0.0.1:${server.port}/later`);
    impatient.on('error', () => undefined);
    impatient.end();
    setTimeout(() => impatient.destroy(), 3);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal((await ask(`http://127.0.0.1:${server.port}/hello`)).status, 200);
  });

  test(title('a handler that throws or rejects answers 500 and is logged'), async (t) => {
    const { server, logged } = await serve(library, t, { http: pages });
    for (const path of ['/throws', '/rejects']) {
      const broken = await ask(`http://127.0.0.1:${server.port}${path}`);
      assert.equal(broken.status, 500);
      assert.doesNotMatch(broken.body, /broken/);
    }
    assert.deepEqual(
      logged.map(({ fields }) => (fields as { path: string }).path),
      ['/throws', '/rejects'],
    );
  });

  test(title('a plain request for the socket endpoint is for the HTTP handler'), async (t) => {
    const { server } = await serve(library, t, { http: pages });
    assert.equal((await ask(`http://127.0.0.1:${server.port}/v1/connect`)).status, 404);
  });

  test(title('TLS serves https and wss'), async (t) => {
    const fixture = await serve(library, t, { http: pages, tls: { certFile, keyFile } });
    assert.equal((await ask(`https://127.0.0.1:${fixture.server.port}/hello`)).body, 'GET nobody');
    const [client, peer] = await join({ ...fixture, url: fixture.url.replace('ws:', 'wss:') });
    peer.socket.subscribe('room');
    peer.socket.cork(() => {
      for (let i = 0; i < 50; i++) assert.equal(peer.socket.send(Buffer.alloc(1000, String(i))), 'sent');
    });
    fixture.server.publish('room', bytesOf('published'), 'binary');
    peer.socket.end(4000, 'draining');
    await until('the end', () => client.closedWith !== undefined);
    assert.equal(client.got.length, 51);
    assert.equal(client.closedWith?.code, 4000);
  });

  test(title('TLS files that do not fit are named'), async (t) => {
    await assert.rejects(
      serve(library, t, { tls: { certFile: keyFile, keyFile: certFile } }),
      /TLS: no certificate in .*localhost-key\.pem that fits a key in .*localhost-cert\.pem/,
    );
  });
}
