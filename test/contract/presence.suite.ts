import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import {
  denseTail,
  type Presence,
  TAIL_EVENTS_MAX,
  type TailCache,
  type TailEvent,
} from '../../src/core/presence-port.ts';

/** A service that can die, come back and forget, and its two ports. */
export interface PresenceUnderTest {
  /** Expires after EXPIRY_MS, as the tails do. */
  readonly presence: Presence;
  readonly tails: TailCache;
  /** Resolves when what was told has taken effect. */
  settle(): Promise<void>;
  pass(ms: number): Promise<void>;
  flush(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when it is connected again. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export const EXPIRY_MS = 1_000;
const READ_MS_MAX = 1_000;

export interface PresenceSuiteOptions {
  readonly skip?: string | false;
  /** False for a service that is not ours to kill and flush. */
  readonly mayStop?: boolean;
}

/** What src/core/presence-port.ts promises. */
export function presenceSuite(
  name: string,
  open: () => Promise<PresenceUnderTest>,
  { skip = false, mayStop = true }: PresenceSuiteOptions = {},
): void {
  let opened: Promise<PresenceUnderTest> | undefined;
  const service = (): Promise<PresenceUnderTest> => (opened ??= open());
  after(async () => (await opened)?.close());

  const options = { skip };
  const stopping = { skip: skip !== false ? skip : !mayStop && 'the service is not ours to stop' };

  test(`${name}: devices are online at their edges until they leave`, options, async () => {
    const { presence, settle } = await service();
    const [ann, bob] = [user(), user()];
    assert.deepEqual(await presence.devices(ann), []);
    presence.online(ann, 'phone', 'edge-1');
    presence.online(ann, 'laptop', 'edge-2');
    presence.online(bob, 'phone', 'edge-2');
    await settle();
    assert.deepEqual(await presence.devices(ann), [
      { device: 'laptop', edge: 'edge-2' },
      { device: 'phone', edge: 'edge-1' },
    ]);
    presence.offline(ann, 'phone', 'edge-1');
    presence.offline(bob, 'phone', 'edge-9');
    await settle();
    assert.deepEqual(await presence.devices(ann), [{ device: 'laptop', edge: 'edge-2' }]);
    assert.deepEqual(await presence.devices(bob), [{ device: 'phone', edge: 'edge-2' }]);
  });

  test(`${name}: of what a turn says of a device the last counts`, options, async () => {
    const { presence, settle } = await service();
    const [ann, bob] = [user(), user()];
    presence.online(ann, 'phone', 'edge-1');
    presence.offline(ann, 'phone', 'edge-1');
    presence.offline(bob, 'phone', 'edge-1');
    presence.online(bob, 'phone', 'edge-1');
    await settle();
    assert.deepEqual(await presence.devices(ann), []);
    assert.deepEqual(await presence.devices(bob), [{ device: 'phone', edge: 'edge-1' }]);
  });

  test(
    `${name}: a device that moved is where it was told of last, whenever the other edge says so`,
    options,
    async () => {
      const { presence, settle, pass } = await service();
      const ann = user();
      presence.online(ann, 'phone', 'edge-2');
      await settle();
      await pass(5);
      presence.online(ann, 'phone', 'edge-1');
      await settle();
      assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
      presence.offline(ann, 'phone', 'edge-2');
      await settle();
      assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
    },
  );

  test(`${name}: who is not told of again expires, device by device`, options, async () => {
    const { presence, settle, pass } = await service();
    const ann = user();
    presence.online(ann, 'phone', 'edge-1');
    presence.online(ann, 'laptop', 'edge-1');
    await settle();
    for (let i = 0; i < 3; i++) {
      await pass(EXPIRY_MS / 2);
      presence.online(ann, 'laptop', 'edge-1');
      await settle();
    }
    assert.deepEqual(await presence.devices(ann), [{ device: 'laptop', edge: 'edge-1' }]);
    await pass(EXPIRY_MS + 50);
    assert.deepEqual(await presence.devices(ann), []);
  });

  test(`${name}: many users in one turn`, options, async () => {
    const { presence, settle } = await service();
    const users = Array.from({ length: 2_000 }, user);
    for (const each of users) presence.online(each, 'phone', 'edge-1');
    await settle();
    const all = await Promise.all(users.slice(-500).map((each) => presence.devices(each)));
    assert.ok(all.every((devices) => devices.length === 1 && devices !== 'unknown'));
  });

  test(`${name}: a tail is the last 50 events, whatever the puts were`, options, async () => {
    const { tails, settle } = await service();
    const conv = randomUUID();
    assert.deepEqual(await tails.get(conv), []);
    tails.put(conv, events(1, 3));
    tails.put(conv, events(4, 4));
    await settle();
    same(await tails.get(conv), events(1, 4));
    tails.put(conv, events(3, 60));
    tails.put(conv, []);
    await settle();
    same(await tails.get(conv), events(11, 60));
    tails.put(conv, events(61, 200));
    await settle();
    same(await tails.get(conv), events(151, 200));
    tails.put(conv, events(1, 20));
    await settle();
    same(await tails.get(conv), events(151, 200));
  });

  test(`${name}: a tail with a hole is what follows the hole, until it is filled`, options, async () => {
    const { tails, settle } = await service();
    const conv = randomUUID();
    tails.put(conv, events(1, 5));
    tails.put(conv, events(7, 9));
    await settle();
    same(await tails.get(conv), events(7, 9));
    tails.put(conv, events(6, 6));
    await settle();
    same(await tails.get(conv), events(1, 9));
  });

  test(`${name}: reads during writes see a dense tail, and who was told of`, options, async () => {
    const { presence, tails, settle } = await service();
    const [ann, conv] = [user(), randomUUID()];
    presence.online(ann, 'phone', 'edge-1');
    await settle();
    let told = 0;
    let settled = 0;
    const write = async (): Promise<void> => {
      while (told < 300) {
        tails.put(conv, events(Math.max(1, told - 2), told + 3)); // some of them known
        told += 3;
        presence.online(ann, 'phone', 'edge-1');
        presence.online(ann, `d${told}`, 'edge-2');
        const before = told;
        await settle();
        settled = before;
      }
    };
    const read = async (): Promise<void> => {
      while (told < 300) {
        const atLeast = settled;
        const [devices, tail] = await Promise.all([presence.devices(ann), tails.get(conv)]);
        assert.ok(devices !== 'unknown' && tail !== 'unknown');
        assert.ok(devices.length > 0);
        const last = tail.at(-1)?.seq ?? 0;
        assert.ok(last >= atLeast, `${last} after ${atLeast}`);
        same(tail, last === 0 ? [] : events(Math.max(1, last - TAIL_EVENTS_MAX + 1), last));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([write(), read()]);
  });

  test(`${name}: tails keep bytes as they are, big and empty, and expire`, options, async () => {
    const { tails, settle, pass } = await service();
    const conv = randomUUID();
    const odd = [
      { seq: 1, bytes: new Uint8Array(0) },
      { seq: 2, bytes: Uint8Array.from({ length: 256 }, (_, i) => i) },
      { seq: 3, bytes: new Uint8Array(Buffer.from('\r\n$5\r\n*3\r\n')) },
      { seq: 4, bytes: new Uint8Array(Buffer.alloc(16_500, 'carillon')) },
      { seq: 5, bytes: new Uint8Array(Buffer.alloc(100, 7)).subarray(10, 20) },
    ];
    tails.put(conv, odd);
    await settle();
    same(await tails.get(conv), odd);
    await pass(EXPIRY_MS + 50);
    same(await tails.get(conv), []);
    const far = { seq: 2 ** 52, bytes: Uint8Array.of(1) };
    tails.put(conv, [far]);
    await settle();
    same(await tails.get(conv), [far]);
  });

  test(`${name}: a flushed service knows nothing, and learns again`, stopping, async () => {
    const { presence, tails, settle, flush } = await service();
    const ann = user();
    const conv = randomUUID();
    presence.online(ann, 'phone', 'edge-1');
    tails.put(conv, events(1, 2));
    await settle();
    await flush();
    assert.deepEqual(await presence.devices(ann), []);
    assert.deepEqual(await tails.get(conv), []);
    presence.online(ann, 'phone', 'edge-1');
    tails.put(conv, events(3, 3));
    await settle();
    assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
    same(await tails.get(conv), events(3, 3));
  });

  test(
    `${name}: a dead service is unknown at once, delays nobody, and comes back empty`,
    stopping,
    async () => {
      const { presence, tails, settle, stop, start } = await service();
      const ann = user();
      const conv = randomUUID();
      presence.online(ann, 'phone', 'edge-1');
      await settle();
      await stop();
      const begin = performance.now();
      for (let i = 0; i < 20_000; i++) presence.online(ann, `d${i % 100}`, 'edge-1');
      for (let i = 0; i < 20_000; i++) tails.put(conv, events(i + 1, i + 1));
      assert.ok(performance.now() - begin < 1_000);
      const reads = await Promise.all([presence.devices(ann), tails.get(conv)]);
      assert.deepEqual(reads, ['unknown', 'unknown']);
      assert.ok(performance.now() - begin < READ_MS_MAX + 1_000);
      await start();
      assert.notEqual(await presence.devices(user()), 'unknown');
      presence.online(ann, 'tablet', 'edge-1');
      await settle();
      const devices = await presence.devices(ann);
      assert.ok(devices !== 'unknown' && devices.some(({ device }) => device === 'tablet'));
      assert.ok(
        !devices.some(({ device }) => device === 'd1'),
        'what was told meanwhile is not kept for later',
      );
      assert.deepEqual(await tails.get(conv), []);
    },
  );
}

test('a dense tail ends with the last event, has no hole and no event twice', () => {
  const seqs = (...all: number[]): number[] =>
    denseTail(all.map((seq) => ({ seq, bytes: new Uint8Array(0) }))).map(({ seq }) => seq);
  assert.deepEqual(seqs(), []);
  assert.deepEqual(seqs(4), [4]);
  assert.deepEqual(seqs(1, 2, 4, 4, 5), [4, 5]);
  const many = Array.from({ length: 80 }, (_, i) => i + 1);
  assert.deepEqual(seqs(...many), many.slice(-TAIL_EVENTS_MAX));
});

let users = 0;
const run = randomUUID().slice(0, 8);

/** A user that no other test and no other run speaks of. */
export function user(): string {
  return `u${++users}.${run}`;
}

export function events(from: number, to: number): TailEvent[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    seq: from + i,
    bytes: new TextEncoder().encode(`event ${from + i}`),
  }));
}

function same(found: readonly TailEvent[] | 'unknown', wanted: readonly TailEvent[]): void {
  const plain = (all: readonly TailEvent[]): unknown =>
    all.map(({ seq, bytes }) => [seq, Buffer.from(bytes).toString('base64')]);
  assert.notEqual(found, 'unknown');
  assert.deepEqual(plain(found as readonly TailEvent[]), plain(wanted));
}
