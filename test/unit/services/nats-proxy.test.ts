import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { Random } from '../../fuzz/random.ts';
import { NatsProxy } from '../../services/nats-proxy.ts';
import { NatsStream } from '../../services/nats-stream.ts';

const INFO = 'INFO {"server_id":"a","max_payload":1048576}\r\n';

function msg(subject: string, payload: string): string {
  return `MSG ${subject} 1 ${Buffer.byteLength(payload)}\r\n${payload}\r\n`;
}

/** A server's stream in which payloads and headers look like protocol. */
const PARTS: readonly (readonly [subject: string | undefined, text: string])[] = [
  [undefined, INFO],
  [undefined, 'PONG\r\n'],
  ['e.a', msg('e.a', 'hello')],
  ['e.b', msg('e.b', '')],
  ['e.c', msg('e.c', 'MSG e.x 1 3\r\nabc\r\nPING\r\n')],
  [undefined, '-ERR \'Permissions Violation for Publish to "MSG a 1 5"\'\r\n'],
  ['e.d', 'MSG e.d 12 _INBOX.reply 2\r\n\r\n\r\n'],
  ['e.e', `HMSG e.e 7 12 20\r\nNATS/1.0\r\n\r\nMSG q 11\r\n`],
  ['e.f', `HMSG e.f 7 reply.to 12 12\r\nNATS/1.0\r\n\r\n\r\n`],
  [undefined, 'PING\r\n'],
  [undefined, '+OK\r\n'],
  ['e.g', msg('e.g', '\n\r\n\r'.repeat(50))],
  [undefined, 'INFO {"connect_urls":["x"]}\r\n'],
];
const WHOLE = Buffer.from(PARTS.map(([, text]) => text).join(''), 'latin1');

test('a stream is cut into its parts wherever its chunks are split', () => {
  const check = (chunks: readonly Buffer[]): void => {
    const stream = new NatsStream();
    const parts = chunks.flatMap((chunk) => stream.push(Buffer.from(chunk)));
    assert.deepEqual(
      parts.map((part) => [part.subject, part.bytes.toString('latin1')]),
      PARTS.map(([subject, text]) => [subject, text]),
    );
  };
  check([WHOLE]);
  check(Array.from(WHOLE, (_, i) => WHOLE.subarray(i, i + 1)));
  for (let at = 1; at < WHOLE.length; at++) check([WHOLE.subarray(0, at), WHOLE.subarray(at)]);
  const random = new Random(7);
  for (let run = 0; run < 300; run++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < WHOLE.length; ) {
      const next = Math.min(WHOLE.length, at + 1 + random.below(40));
      chunks.push(WHOLE.subarray(at, next));
      at = next;
    }
    check(chunks);
  }
});

test('a stream holds back what is not whole yet, and refuses what is no protocol', () => {
  const stream = new NatsStream();
  const big = Buffer.from(msg('e.big', 'x'.repeat(300_000)));
  for (let at = 0; at < big.length - 1; at += 1_000) {
    assert.deepEqual(stream.push(big.subarray(at, Math.min(at + 1_000, big.length - 1))), []);
  }
  const [part] = stream.push(big.subarray(-1));
  assert.deepEqual(part?.bytes, big);
  assert.throws(() => new NatsStream().push(Buffer.from('MSG a 1 many\r\n')), /not a line of NATS/);
  assert.throws(() => new NatsStream().push(Buffer.alloc(100_000, 'a')), /no line/);
});

/** A server that says what it is told to, and keeps what it hears; a client of the proxy before it. */
async function connected(t: TestContext): Promise<{
  proxy: NatsProxy;
  /** Until the client has got what passes. */
  say(text: string): Promise<void>;
  /** Without waiting for anything. */
  put(text: string): void;
  client: Socket;
  heard: () => string;
  got: () => string;
}> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  const proxy = await NatsProxy.start({ host: '127.0.0.1', port: address.port });
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect(proxy.port, '127.0.0.1');
  const [upstream] = await accepted;
  let heard = '';
  let got = '';
  let said = 0;
  const put = (text: string): void => void upstream.write(Buffer.from(text, 'latin1'));
  upstream.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  client.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
  t.after(async () => {
    client.destroy();
    upstream.destroy();
    await proxy.stop();
    server.close();
  });
  return {
    proxy,
    client,
    heard: () => heard,
    got: () => got.replaceAll(MARK, ''),
    put,
    async say(text) {
      const mark = `+OK mark${++said}\r\n`;
      put(text + mark);
      await until(() => got.includes(mark));
    },
  };
}

/** Ends what was said; rules never touch it. */
const MARK = /\+OK mark\d+\r\n/g;

async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(2);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('without a rule all passes byte for byte, both ways', async (t) => {
  const { say, client, got, heard } = await connected(t);
  await say(WHOLE.toString('latin1'));
  assert.equal(got(), WHOLE.toString('latin1'));
  client.write('PUB e.a 5\r\nMSG a\r\n');
  await until(() => heard().length >= 18);
  assert.equal(heard(), 'PUB e.a 5\r\nMSG a\r\n');
});

test('dropNext loses so many messages of the subjects named, and nothing else', async (t) => {
  const { proxy, say, got } = await connected(t);
  const loss = proxy.dropNext(2, /^e\./);
  await say(INFO + msg('n.1', 'a') + msg('e.1', 'b') + 'PING\r\n' + msg('e.2', 'c') + msg('e.1', 'd'));
  assert.equal(got(), INFO + msg('n.1', 'a') + 'PING\r\n' + msg('e.1', 'd'));
  assert.equal(loss.dropped, 2);
});

test('dropFraction loses the same messages for the same seed, about as many as asked', async (t) => {
  const { proxy, say, got } = await connected(t);
  const texts = Array.from({ length: 1_000 }, (_, i) => msg('e.1', `m${i}.`));
  const first = proxy.dropFraction(0.1, /^e\.1$/, 42);
  await say(texts.join(''));
  first.stop();
  assert.ok(first.dropped > 70 && first.dropped < 130, `${first.dropped} of 1,000`);
  const once42 = got();
  assert.equal(once42.length, texts.filter((text) => once42.includes(text)).join('').length);
  proxy.dropFraction(0.1, /^e\.1$/, 42);
  await say(texts.join(''));
  assert.equal(got(), once42 + once42);
});

test('dropLast loses exactly the last of a burst, which may come in pieces', async (t) => {
  const { proxy, say, got } = await connected(t);
  const loss = proxy.dropLast(/^e\./, 120);
  await say(msg('e.1', 'a') + msg('e.1', 'b'));
  await say(`PING\r\n${msg('e.1', 'c')}`);
  assert.equal(got(), msg('e.1', 'a') + 'PING\r\n' + msg('e.1', 'b'));
  await sleep(150);
  assert.equal(got(), msg('e.1', 'a') + 'PING\r\n' + msg('e.1', 'b'));
  assert.equal(loss.dropped, 1);
  await say(msg('e.1', 'd'));
  assert.ok(got().endsWith(msg('e.1', 'd')), 'the next burst is whole');
});

test('what a rule holds is let go when the rule ends', async (t) => {
  const { proxy, say, got } = await connected(t);
  const loss = proxy.dropLast(/^e\./, 60_000);
  await say(msg('e.1', 'a'));
  assert.equal(got(), '');
  loss.stop();
  await say(msg('e.1', 'b'));
  assert.equal(got(), msg('e.1', 'a') + msg('e.1', 'b'));
  assert.equal(loss.dropped, 0);
});

test('a delay keeps the order, and a stall is mended without loss', async (t) => {
  const { proxy, put, got } = await connected(t);
  proxy.setDelay(100);
  const start = performance.now();
  put(msg('e.1', 'a'));
  await sleep(30);
  proxy.setDelay(0);
  put(msg('e.1', 'b'));
  await until(() => got().length >= 2 * msg('e.1', 'a').length);
  assert.ok(performance.now() - start >= 99);
  assert.equal(got(), msg('e.1', 'a') + msg('e.1', 'b'));
  proxy.stall(true);
  put(msg('e.1', 'c'));
  await sleep(40);
  assert.equal(got(), msg('e.1', 'a') + msg('e.1', 'b'));
  proxy.stall(false);
  await until(() => got().length >= 3 * msg('e.1', 'a').length);
  assert.equal(got(), ['a', 'b', 'c'].map((each) => msg('e.1', each)).join(''));
});

test('a cut ends connections and refuses new ones until it is mended', async (t) => {
  const { proxy, client } = await connected(t);
  const closed = once(client, 'close');
  proxy.cut();
  await closed;
  const refused = connect(proxy.port, '127.0.0.1');
  refused.on('error', () => refused.destroy());
  await once(refused, 'close');
  proxy.mend();
  const welcome = connect(proxy.port, '127.0.0.1');
  await once(welcome, 'connect');
  await sleep(40);
  assert.equal(welcome.destroyed, false);
  welcome.destroy();
});
