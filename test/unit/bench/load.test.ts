import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  cmidConversation,
  cmidNumber,
  bodyNames,
  CMID_AT,
  convMatches,
  SEND_HEADER_BYTES,
  SendTemplate,
} from '../../../bench/generator/frames.ts';
import { Load } from '../../../bench/generator/load.ts';
import type { LoadPlan, LoadResult } from '../../../bench/plan.ts';
import { connectionOf, directs, group, star, user } from '../../../bench/topology.ts';
import { directConversationId } from '../../../src/core/direct-id.ts';
import { isUuid, uuidFromBytes, uuidV7Time } from '../../../src/core/ids.ts';
import { encodeMessage, readU32, writeU64 } from '../../../src/protocol/message-frame.ts';
import { decodeClient } from '../../../src/protocol/server-codec.ts';

test('the send frame is one that the server decodes, and names its message', () => {
  const topology = directs(512, 70_000);
  const template = new SendTemplate(140);
  const out = Buffer.alloc(7 + template.frameBytes);
  template.write(out, 7, 3, topology.ids, 69_999, 0xfedcba98, false);
  const bytes = out.subarray(7);
  const send = decodeClient(bytes, true, 'binary');
  assert.equal(send.t, 'send');
  if (send.t !== 'send') return;
  assert.equal(send.id, 3);
  assert.equal(send.conv, uuidFromBytes(topology.ids, 69_999 * 16));
  assert.ok(isUuid(send.cmid));
  assert.ok(Math.abs((uuidV7Time(send.cmid) ?? 0) - Date.now()) < 60_000);
  assert.deepEqual([send.kind, send.text, send.retry, send.body.length], ['text', true, false, 140]);
  assert.equal(cmidConversation(bytes, CMID_AT), 69_999);
  assert.equal(cmidNumber(bytes, CMID_AT), 0xfedcba98);
  assert.ok(bodyNames(bytes, SEND_HEADER_BYTES, 0xfedcba98));
  assert.ok(!bodyNames(bytes, SEND_HEADER_BYTES, 0xfedcba99));
  assert.ok(convMatches(bytes, 8, topology.ids, 69_999));
  assert.ok(!convMatches(bytes, 8, topology.ids, 69_998));
  assert.ok(!convMatches(bytes, 8, topology.ids, 5_000_000));
});

test('direct conversations are all different and evenly spread', () => {
  const topology = directs(16, 16 * 3);
  const pairs = new Set<string>();
  for (let c = 0; c < topology.conversations; c++) {
    const [a, b] = [topology.memberAt(c, 0), topology.memberAt(c, 1)];
    assert.notEqual(a, b);
    pairs.add([a, b].sort((x, y) => x - y).join('-'));
    assert.equal(topology.viewOf(c, a), 0);
    assert.equal(topology.viewOf(c, b), 1);
  }
  assert.equal(pairs.size, topology.conversations);
  for (const conversations of topology.sendsTo) assert.equal(conversations.length, 6);
  assert.equal(
    new Set(
      Array.from(
        { length: 120 },
        (_, c) => `${directs(16, 120).memberAt(c, 0)}-${directs(16, 120).memberAt(c, 1)}`,
      ),
    ).size,
    120,
  );
  assert.throws(() => directs(4, 7), /1 to 6/);
});

test('in a star, one connection is in a conversation with each of the others', () => {
  const topology = star(5);
  for (let c = 0; c < 5; c++) {
    const [other, first] = [topology.memberAt(c, 0), topology.memberAt(c, 1)];
    assert.deepEqual([other, first], [c + 1, 0]);
    assert.deepEqual([topology.viewOf(c, other), topology.viewOf(c, first)], [0, 1]);
    assert.equal(uuidFromBytes(topology.ids, c * 16), directConversationId(user(0), user(other)));
    assert.equal(connectionOf(user(other)), other);
  }
  assert.deepEqual(topology.sendsTo, [[], [0], [1], [2], [3], [4]]);
});

test('direct conversations across two addresses have a side on each', () => {
  const topology = directs(16, 64, true);
  const pairs = new Set<string>();
  for (let c = 0; c < topology.conversations; c++) {
    const [a, b] = [topology.memberAt(c, 0), topology.memberAt(c, 1)];
    assert.deepEqual([a % 2, b % 2], [0, 1]);
    pairs.add(`${a}-${b}`);
  }
  assert.equal(pairs.size, 64);
  for (const conversations of topology.sendsTo) assert.equal(conversations.length, 8);
  assert.throws(() => directs(16, 65, true), /1 to 64/);
});

/** What a faulty server does with the n-th message to one socket. */
type Fault = 'none' | 'drop' | 'double' | 'swap' | 'alter' | 'skip seq' | 'no ack';

/** A group server in a few lines, made to fail at the 50th message. */
async function withGroupServer(
  fault: Fault,
  work: (port: number) => Promise<LoadResult>,
): Promise<LoadResult> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const sockets: WebSocket[] = [];
  let seq = 0;
  let held: Uint8Array | undefined;
  server.on('connection', (socket) => {
    const from = `bench-${sockets.push(socket) - 1}`;
    socket.on('message', (data) => {
      const send = data as Buffer;
      seq += fault === 'skip seq' && seq === 49 ? 2 : 1;
      const [conv, cmid] = [uuidFromBytes(send, 8), uuidFromBytes(send, 24)];
      const body = Buffer.from(send.subarray(44, 44 + readU32(send, 40)));
      const event = { conv, seq, n: seq, ts: 1, from, device: 'd', cmid, kind: 'text', text: true };
      const message = encodeMessage({ ...event, body });
      const victim = sockets.at(-1);
      for (const other of sockets) {
        if (other === socket) continue;
        if (other !== victim || seq < 50 || seq > 51) other.send(message);
        else if (fault === 'drop' && seq === 50) continue;
        else if (fault === 'alter' && seq === 50)
          other.send(encodeMessage({ ...event, body: body.fill(0x78) }));
        else if (fault === 'swap' && seq === 50) held = message;
        else {
          other.send(message);
          if (fault === 'double' && seq === 50) other.send(message);
          if (fault === 'swap') other.send(held as Uint8Array);
        }
      }
      if (fault === 'no ack' && seq === 50) return;
      const ack = Buffer.alloc(56);
      ack[0] = 0x50;
      send.copy(ack, 4, 4, 40);
      writeU64(ack, 40, seq);
      socket.send(ack);
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await work((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

function plan(port: number, changes: Partial<LoadPlan> = {}): LoadPlan {
  return {
    job: 'publish',
    target: {
      addresses: [{ host: '127.0.0.1', port }],
      path: '/',
      processes: [{ name: 'server', pid: process.pid }],
    },
    connections: 6,
    window: 2,
    conversations: 1,
    senders: 3,
    bodyBytes: 40,
    warmupMs: 0,
    measureMs: 250,
    settleMsMax: 300,
    ...changes,
  };
}

test('a load against a right server finds nothing, and adds up', async () => {
  const result = await withGroupServer('none', (port) => new Load(plan(port), () => {}).run());
  assert.deepEqual(result.problems, []);
  assert.ok(result.checked.acked > 100);
  assert.equal(result.checked.delivered, result.checked.acked * 5);
  assert.equal(result.ackLatency.count, result.acked);
  assert.equal(result.receiveLatency.count, result.deliveries);
});

for (const fault of ['drop', 'double', 'swap', 'alter', 'skip seq', 'no ack'] as const) {
  test(`a load finds a server's fault: ${fault}`, async () => {
    const result = await withGroupServer(fault, (port) => new Load(plan(port), () => {}).run());
    assert.ok(result.problemCount > 0);
  });
}

test('an open loop keeps its rate, and counts a stall from the intended times', async () => {
  const result = await withGroupServer('none', (port) => {
    const running = new Load(plan(port, { ratePerSecond: 400, window: 64, measureMs: 1000 }), () => {}).run();
    // The server shares this process: nothing is answered for 200 ms, while 80 messages fall due.
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200), 500);
    return running;
  });
  assert.deepEqual(result.problems, []);
  assert.ok(Math.abs(result.ackedPerSecond - 400) < 40, `${result.ackedPerSecond} acks/s`);
  assert.ok(result.ackLatency.p99Us > 150_000, `p99 ${result.ackLatency.p99Us} us`);
  assert.ok(result.ackLatency.p50Us < 50_000);
});

test('a group has one id per name, a UUIDv4', () => {
  const ids = (name: string): string => uuidFromBytes(group(4, 1, name).ids, 0);
  assert.equal(ids('a'), ids('a'));
  assert.notEqual(ids('a'), ids('b'));
  assert.match(ids('a'), /^.{14}4.{4}[89ab]/);
});
