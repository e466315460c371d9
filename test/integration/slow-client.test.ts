import assert from 'node:assert/strict';
import test from 'node:test';
import { WebSocket } from 'ws';
import { type Client, connect, type WebSocketClass } from '../../src/client/node.ts';
import { freePort, scratchDir, ServerProcess, sleep, until } from '../support/server-process.ts';

const MESSAGES = 10_000;
const READERS = 12;
const ROUNDS = 3;
const GROWTH_BYTES_MAX = 5 * 1024 * 1024;
/** Noise of this machine apart, which the median of interleaved rounds keeps small. */
const SLOWER_MAX = 1.1;

/** The sockets that a client opens, to stop one from reading. */
function pausable(opened: WebSocket[]): WebSocketClass {
  return class extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols, { perMessageDeflate: false });
      opened.push(this);
    }
  } as unknown as WebSocketClass;
}

test('a socket that stops reading costs the server little and the others nothing, and ends complete', async (t) => {
  const dir = scratchDir('slow');
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const server = await ServerProcess.start({ dataDir: dir.path, port: await freePort(), env });
  const clients: Client[] = [];
  t.after(async () => {
    for (const client of clients) client.close();
    await server.kill();
    dir.remove();
  });
  const join = async (user: string, webSocket?: WebSocketClass): Promise<Client> => {
    const client = connect({
      url: server.url,
      token: `dev:${user}`,
      device: 'd1',
      ...(webSocket && { webSocket }),
    });
    clients.push(client);
    await client.ready();
    return client;
  };
  const names = Array.from({ length: READERS }, (_, i) => `reader${i}`);
  const sender = await join('sender');
  const conv = await sender.create('group', ['slow', ...names], 'busy');
  const received = new Map<string, number>();
  for (const name of names) {
    const client = await join(name);
    client.on('message', () => received.set(name, (received.get(name) ?? 0) + 1));
  }
  const slowSockets: WebSocket[] = [];
  const slow = await join('slow', pausable(slowSockets));
  const timeline = slow.timeline(conv, { after: 0, whenBehind: 'fetch', pageMax: 200 });
  let last = 0;
  timeline.on('append', (messages) => {
    for (const { seq } of messages) {
      assert.equal(seq, last + 1, 'the slow one gets each message once, in order');
      last = seq;
    }
  });

  let sent = 0;
  const flood = async (): Promise<number> => {
    const start = performance.now();
    const goal = [...names].map((name) => (received.get(name) ?? 0) + MESSAGES);
    const acks: Promise<unknown>[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      acks.push(sender.send(conv, `message ${++sent} ${'x'.repeat(100)}`));
      if (acks.length === 500) await Promise.all(acks.splice(0));
    }
    await Promise.all(acks);
    await until('all others have all', 20_000, () =>
      names.every((name, i) => (received.get(name) ?? 0) >= (goal[i] as number)),
    );
    return performance.now() - start;
  };

  await flood(); // warms up
  await until('the slow one is current', 20_000, () => last === sent + 1);
  const without: number[] = [];
  const withSlow: number[] = [];
  const growths: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    without.push(await flood());
    await until('the slow one is current', 20_000, () => last === sent + 1);
    await sleep(300);
    const before = server.memoryBytes;
    for (const socket of slowSockets) socket.pause();
    withSlow.push(await flood());
    await sleep(300);
    growths.push(server.memoryBytes - before);
    for (const socket of slowSockets) socket.resume();
    await until('the slow one is complete', 20_000, () => last === sent + 1);
  }
  const ratio = median(withSlow) / median(without);
  t.diagnostic(
    `with a slow socket / without: ${ratio.toFixed(3)}; memory grew by ${growths.map((bytes) => (bytes / 1e6).toFixed(1)).join(', ')} MB`,
  );
  assert.ok(median(growths) < GROWTH_BYTES_MAX, `memory grew by ${growths.join(', ')} bytes`);
  assert.ok(ratio < SLOWER_MAX, `the others took ${ratio} times as long`);
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
