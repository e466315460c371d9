import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import { MemoryPresence } from '../../../src/adapters/memory/presence.ts';
import { adminHttp, type HttpOptions, mainHttp } from '../../../src/edge/http.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

function options(presence: MemoryPresence | undefined): HttpOptions {
  return {
    socketPath: '/v1/connect',
    files: new Map([['/index.html', { bytes: Buffer.from('<!doctype html>'), type: 'text/html' }]]),
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: () => Promise.resolve({ type: 'text/plain', text: '' }),
    node: () => ({ node: null, roles: ['edge', 'sequencer'] }),
    presence,
  };
}

async function get(handler: ReturnType<typeof mainHttp>, path: string, method = 'GET') {
  const header = (): undefined => undefined;
  const { status, body } = await handler({ method, path, remoteAddress: '127.0.0.1', header });
  return [status, String(body)] as const;
}

test('nothing but what is there is served, whatever it begins with', async () => {
  const presence = new MemoryPresence(new VirtualSystem());
  const [main, admin] = [mainHttp(options(presence)), adminHttp(options(presence))];
  assert.equal((await get(main, '/'))[0], 200);
  for (const path of ['/nothing', '/index.html/', '/node', '/presence/ann', '/presence/'])
    assert.equal((await get(main, path))[0], 404, path);
  for (const path of ['/', '/nothing', '/presence', '/node/x', '/metrics/x'])
    assert.equal((await get(admin, path))[0], 404, path);
});

test('the admin port shows the devices of a user, from the presence that sessions told', async () => {
  const presence = new MemoryPresence(new VirtualSystem());
  presence.online('ann:1', 'phone', 'edge-1');
  presence.online('ann:1', 'desk', 'edge-2');
  const admin = adminHttp(options(presence));
  const [status, body] = await get(admin, '/presence/ann:1');
  const devices = [
    { device: 'desk', edge: 'edge-2' },
    { device: 'phone', edge: 'edge-1' },
  ];
  assert.deepEqual([status, JSON.parse(body)], [200, { user: 'ann:1', devices }]);
  assert.deepEqual(await get(admin, '/presence/nobody'), [200, '{"user":"nobody","devices":[]}\n']);
  for (const path of ['/presence/', '/presence/a/b', `/presence/${'a'.repeat(65)}`, '/presence/a%20b']) {
    const [wrong, why] = await get(admin, path);
    assert.equal(wrong, 400, path);
    assert.match((JSON.parse(why) as { error: string }).error, /USER/);
  }
  presence.available = false;
  assert.equal((await get(admin, '/presence/ann:1'))[0], 503);
  assert.equal((await get(admin, '/presence/ann:1', 'POST'))[0], 405);
  assert.deepEqual(await get(admin, '/node'), [200, '{"node":null,"roles":["edge","sequencer"]}\n']);
});
