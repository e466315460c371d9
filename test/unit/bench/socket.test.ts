import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  FrameParser,
  type FrameHandler,
  WireError,
  WireSocket,
  writeClientHeader,
} from '../../../bench/generator/socket.ts';

/** A frame as a server sends it: final, unmasked. */
function serverFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header =
    length < 126
      ? Buffer.from([0x80 | opcode, length])
      : length < 65536
        ? Buffer.from([0x80 | opcode, 126, length >> 8, length & 255])
        : Buffer.from([
            0x80 | opcode,
            127,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >>> 16) & 255,
            (length >>> 8) & 255,
            length & 255,
          ]);
  return Buffer.concat([header, payload]);
}

function collector(): { parser: FrameParser; frames: Buffer[] } {
  const frames: Buffer[] = [];
  const parser = new FrameParser((_opcode, bytes, start, end) => {
    frames.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  });
  return { parser, frames };
}

test('the parser finds the same frames however the stream is cut', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(payloads, fc.array(fc.integer({ min: 1, max: 200 })), (bodies, cuts) => {
      const stream = Buffer.concat(bodies.map((body) => serverFrame(2, body)));
      const { parser, frames } = collector();
      let at = 0;
      let counted = 0;
      for (const cut of [...cuts, stream.length]) {
        const chunk = stream.subarray(at, at + cut);
        counted += parser.received(chunk, chunk.length);
        at += chunk.length;
      }
      assert.equal(counted, bodies.length);
      assert.deepEqual(
        frames,
        bodies.map((body) => Buffer.from(body)),
      );
    }),
  );
});

test('the parser reads all three forms of a length, byte by byte', () => {
  const bodies = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map((length) =>
    Buffer.alloc(length, length & 255),
  );
  const stream = Buffer.concat(bodies.map((body) => serverFrame(1, body)));
  const { parser, frames } = collector();
  for (const byte of stream) parser.received(Uint8Array.of(byte), 1);
  assert.deepEqual(frames, bodies);
});

test('whole frames of one chunk are handed over without a copy', () => {
  const chunk = Buffer.concat([serverFrame(2, Buffer.from('one')), serverFrame(2, Buffer.from('two'))]);
  let seen = 0;
  const parser = new FrameParser((_opcode, bytes) => {
    assert.equal(bytes, chunk);
    seen++;
    return true;
  });
  parser.received(chunk, chunk.length);
  assert.equal(seen, 2);
});

test('what a server must not send is refused', () => {
  const bad: [string, Buffer][] = [
    ['masked', Buffer.from([0x82, 0x81, 0, 0, 0, 0, 1])],
    ['fragment', Buffer.from([0x02, 1, 1])],
    ['continuation', Buffer.from([0x80, 1, 1])],
    ['reserved bits', Buffer.from([0xc2, 1, 1])],
  ];
  for (const [name, bytes] of bad) {
    assert.throws(() => collector().parser.received(bytes, bytes.length), WireError, name);
  }
});

test('a client header has the mask bit, key 0 and the shortest length form', () => {
  for (const length of [0, 125, 126, 65_535, 65_536, 1_000_000]) {
    const bytes = Buffer.alloc(20, 0xff);
    const end = writeClientHeader(bytes, 0, 2, length);
    assert.equal(bytes[0], 0x82);
    assert.ok((bytes[1] as number) & 0x80);
    assert.deepEqual(bytes.subarray(end - 4, end), Buffer.alloc(4));
    assert.equal(end, length < 126 ? 6 : length < 65_536 ? 8 : 14);
  }
});

interface Seen {
  readonly frames: Buffer[];
  readonly reads: number[];
  readonly closes: [number, string][];
}

function watcher(): { handler: FrameHandler; seen: Seen; until: (what: () => boolean) => Promise<void> } {
  const seen: Seen = { frames: [], reads: [], closes: [] };
  const handler: FrameHandler = {
    frame: (_socket, bytes, start, end) => seen.frames.push(Buffer.from(bytes.subarray(start, end))),
    readEnd: (_socket, frames) => seen.reads.push(frames),
    closed: (_socket, code, reason) => seen.closes.push([code, reason]),
  };
  const until = async (what: () => boolean): Promise<void> => {
    for (let i = 0; i < 400 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(what(), 'what was waited for did not come');
  };
  return { handler, seen, until };
}

async function withServer(
  onSocket: (socket: WebSocket) => void,
  work: (port: number) => Promise<void>,
): Promise<void> {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: (asked) => (asked.has('good') ? 'good' : false),
  });
  server.on('connection', onSocket);
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    await work((server.address() as AddressInfo).port);
  } finally {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
}

const to = (port: number, handler: FrameHandler, subprotocol?: string) =>
  WireSocket.connect({ host: '127.0.0.1', port, path: '/', subprotocol, handler, index: 0 });

test('a real server echoes frames of every size, and several of one turn', async () => {
  await withServer(
    (socket) => socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary })),
    async (port) => {
      const { handler, seen, until } = watcher();
      const socket = await to(port, handler);
      const bodies = [0, 5, 125, 126, 65_535, 65_536, 200_000].map((length) =>
        Buffer.alloc(length, 'abcdefg'),
      );
      for (const body of bodies) socket.sendBytes(body);
      socket.flush();
      for (const text of ['first', 'second', 'third']) socket.sendBytes(text);
      socket.flush();
      await until(() => seen.frames.length === bodies.length + 3);
      assert.deepEqual(seen.frames.slice(0, bodies.length), bodies);
      assert.deepEqual(seen.frames.slice(bodies.length).map(String), ['first', 'second', 'third']);
      assert.equal(
        seen.reads.reduce((sum, frames) => sum + frames, 0),
        bodies.length + 3,
      );
      socket.close();
      await until(() => seen.closes.length === 1);
    },
  );
});

test('what the kernel does not take at once still arrives unchanged', async () => {
  const received: Buffer[] = [];
  await withServer(
    (socket) => {
      socket.pause();
      setTimeout(() => socket.resume(), 100);
      socket.on('message', (data) => received.push(data as Buffer));
    },
    async (port) => {
      const { handler, until } = watcher();
      const socket = await to(port, handler);
      for (let i = 0; i < 100; i++) {
        socket.sendBytes(Buffer.alloc(100_000, i));
        socket.flush();
      }
      await until(() => received.length === 100);
      received.forEach((bytes, i) => assert.deepEqual(bytes, Buffer.alloc(100_000, i)));
      socket.close();
    },
  );
});

test('pings are answered, and a close is told with its code and reason', async () => {
  let pong = '';
  await withServer(
    (socket) => {
      socket.on('pong', (data) => {
        pong = String(data);
        socket.close(4001, 'slow_consumer');
      });
      socket.ping('are you there');
    },
    async (port) => {
      const { handler, seen, until } = watcher();
      await to(port, handler);
      await until(() => seen.closes.length === 1);
      assert.equal(pong, 'are you there');
      assert.deepEqual(seen.closes, [[4001, 'slow_consumer']]);
    },
  );
});

test('a lost connection is a close with 1006', async () => {
  await withServer(
    (socket) => setTimeout(() => socket.terminate(), 10),
    async (port) => {
      const { handler, seen, until } = watcher();
      await to(port, handler);
      await until(() => seen.closes.length === 1);
      assert.equal(seen.closes[0]?.[0], 1006);
    },
  );
});

test('a frame that comes with the handshake is not lost', async () => {
  await withServer(
    (socket) => socket.send('early'),
    async (port) => {
      const { handler, seen, until } = watcher();
      const socket = await to(port, handler, 'good');
      await until(() => seen.frames.length === 1);
      assert.equal(String(seen.frames[0]), 'early');
      socket.close();
    },
  );
});

test('a handshake that fails says why', async () => {
  await withServer(
    () => {},
    async (port) => {
      await assert.rejects(to(port, watcher().handler, 'other'), /chose subprotocol none, not other/);
    },
  );
  const { createServer } = await import('node:http');
  const http = createServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  const { port } = http.address() as AddressInfo;
  await assert.rejects(to(port, watcher().handler), /refused the WebSocket: HTTP\/1.1 404/);
  http.close();
  await new Promise((resolve) => http.once('close', resolve));
  await assert.rejects(to(port, watcher().handler), /ECONNREFUSED/);
});

test('a second socket cannot write into an unflushed frame of another', async () => {
  await withServer(
    () => {},
    async (port) => {
      const one = await to(port, watcher().handler);
      const other = await to(port, watcher().handler);
      one.begin(10);
      assert.throws(() => other.begin(10), /unflushed/);
      one.flush();
      other.begin(10);
      other.flush();
      one.close();
      other.close();
    },
  );
});
