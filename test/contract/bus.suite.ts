import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import type { Bus } from '../../src/core/cluster-ports.ts';

/** A server that can die and come back, and clients of it. */
export interface BusUnderTest {
  /** A connected client whose bound of pending bytes is PENDING_BYTES_MAX. */
  client(): Promise<Bus>;
  /** Resolves when what was published and subscribed by the client has taken effect. */
  settle(bus: Bus): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export const PENDING_BYTES_MAX = 4 * 1024 * 1024;
const MESSAGE_BYTES_MAX = 1024 * 1024;
const WAIT_MS_MAX = 10_000;

export interface BusSuiteOptions {
  readonly skip?: string | false;
  /** False for a server that is not ours to kill. */
  readonly mayStop?: boolean;
}

/** What src/core/cluster-ports.ts promises of a Bus. */
export function busSuite(
  name: string,
  open: () => Promise<BusUnderTest>,
  { skip = false, mayStop = true }: BusSuiteOptions = {},
): void {
  let opened: Promise<BusUnderTest> | undefined;
  const clients = new Set<Bus>();
  const server = (): Promise<BusUnderTest> => (opened ??= open());

  async function client(): Promise<Bus> {
    const bus = await (await server()).client();
    clients.add(bus);
    return bus;
  }

  after(async () => {
    for (const bus of clients) await bus.close();
    await (await opened)?.close();
  });

  const options = { skip };
  const stopping = { skip: skip !== false ? skip : !mayStop && 'the server is not ours to kill' };

  test(
    `${name}: a publisher's messages to a subject come in order, to every other client`,
    options,
    async () => {
      const [from, one, other] = [await client(), await client(), await client()];
      const subject = `e.${randomUUID()}`;
      const inboxes = [new Inbox(one, subject), new Inbox(one, subject), new Inbox(other, subject)];
      const { settle } = await server();
      await Promise.all([settle(one), settle(other)]);
      for (let i = 0; i < 5_000; i++) assert.equal(from.publish(subject, numbered(i)), true);
      for (const inbox of inboxes) {
        await inbox.count(5_000);
        assert.deepEqual(
          inbox.messages.map(numberOf),
          Array.from({ length: 5_000 }, (_, i) => i),
        );
      }
    },
  );

  test(`${name}: messages over several turns and subjects keep their order each`, options, async () => {
    const [one, two, to] = [await client(), await client(), await client()];
    const subjects = [`e.${randomUUID()}`, `e.${randomUUID()}`];
    const inboxes = subjects.map((subject) => new Inbox(to, subject));
    await (await server()).settle(to);
    for (let i = 0; i < 300; i++) {
      for (const subject of subjects) {
        assert.equal(one.publish(subject, numbered(i)), true);
        assert.equal(two.publish(subject, numbered(1_000 + i)), true);
      }
      if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const inbox of inboxes) {
      await inbox.count(600);
      const numbers = inbox.messages.map(numberOf);
      for (const start of [0, 1_000]) {
        assert.deepEqual(
          numbers.filter((n) => Math.floor(n / 1_000) * 1_000 === start),
          Array.from({ length: 300 }, (_, i) => start + i),
        );
      }
    }
  });

  test(`${name}: a client gets no echo of its own, and nothing of other subjects`, options, async () => {
    const [one, two] = [await client(), await client()];
    const subject = `e.${randomUUID()}`;
    const own = new Inbox(one, subject);
    const others = new Inbox(two, subject);
    const elsewhere = new Inbox(two, `${subject}.x`);
    const { settle } = await server();
    await Promise.all([settle(one), settle(two)]);
    one.publish(subject, numbered(1));
    await others.count(1);
    two.publish(subject, numbered(2));
    await own.count(1);
    assert.deepEqual(own.messages.map(numberOf), [2]);
    assert.deepEqual(others.messages.map(numberOf), [1]);
    assert.equal(elsewhere.messages.length, 0);
  });

  test(`${name}: a stopped subscription hears nothing more, at once`, options, async () => {
    const [from, to] = [await client(), await client()];
    const subject = `e.${randomUUID()}`;
    const kept = new Inbox(to, subject);
    let heard = 0;
    const stopped = to.subscribe(subject, () => {
      heard++;
      stopped.stop(); // while the rest of a burst is underway
    });
    await (await server()).settle(to);
    for (let i = 0; i < 10; i++) from.publish(subject, numbered(i));
    await kept.count(10);
    assert.equal(heard, 1);
    stopped.stop();
    const again = new Inbox(to, subject);
    await (await server()).settle(to);
    from.publish(subject, numbered(10));
    await again.count(1);
    await kept.count(11);
    assert.equal(heard, 1);
  });

  test(`${name}: bytes arrive as they were, whatever they look like`, options, async () => {
    const [from, to] = [await client(), await client()];
    const subject = `e.${randomUUID()}`;
    const inbox = new Inbox(to, subject);
    await (await server()).settle(to);
    const payloads = [
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, i) => i),
      new TextEncoder().encode(`MSG ${subject} 1 3\r\nabc\r\nPING\r\n-ERR 'x'\r\n`),
      Uint8Array.of(0, 13, 10, 13, 10, 0),
      new Uint8Array(Buffer.alloc(256 * 1024, 'carillon')),
      new Uint8Array(Buffer.alloc(MESSAGE_BYTES_MAX, 7)),
    ];
    for (const payload of payloads) assert.equal(from.publish(subject, payload), true);
    await inbox.count(payloads.length);
    for (const [i, payload] of payloads.entries())
      assert.ok(Buffer.compare(payload, inbox.messages[i] as Uint8Array) === 0, `payload ${i}`);
  });

  test(
    `${name}: a message over the limit is a mistake of the caller, and harms nothing`,
    options,
    async () => {
      const [from, to] = [await client(), await client()];
      const subject = `e.${randomUUID()}`;
      const inbox = new Inbox(to, subject);
      await (await server()).settle(to);
      assert.throws(() => from.publish(subject, new Uint8Array(MESSAGE_BYTES_MAX + 1)), RangeError);
      assert.equal(from.publish(subject, numbered(1)), true);
      await inbox.count(1);
      assert.deepEqual(inbox.messages.map(numberOf), [1]);
    },
  );

  test(`${name}: the publisher may use its buffer again in a later turn`, options, async () => {
    const [from, to] = [await client(), await client()];
    const subject = `e.${randomUUID()}`;
    const inbox = new Inbox(to, subject);
    await (await server()).settle(to);
    const buffer = new Uint8Array(4);
    for (let i = 0; i < 20; i++) {
      new DataView(buffer.buffer).setUint32(0, i);
      from.publish(subject, buffer);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await inbox.count(20);
    assert.deepEqual(
      inbox.messages.map(numberOf),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test(
    `${name}: over the bound a publish is refused; what was taken arrives, and then there is room`,
    options,
    async () => {
      const [from, to] = [await client(), await client()];
      const subject = `e.${randomUUID()}`;
      const inbox = new Inbox(to, subject);
      await (await server()).settle(to);
      const big = new Uint8Array(256 * 1024);
      let taken = 0;
      while (from.publish(subject, big)) taken++;
      assert.ok(taken >= 12 && taken <= 16, `${taken} of 256 KiB within 4 MiB`);
      assert.equal(from.publish(subject, big), false);
      await inbox.count(taken);
      await (await server()).settle(from);
      assert.equal(from.publish(subject, big), true);
      await inbox.count(taken + 1);
      assert.equal(inbox.messages.length, taken + 1);
    },
  );

  test(
    `${name}: a dead server is told; nothing is taken meanwhile, nor delivered later`,
    stopping,
    async () => {
      const under = await server();
      const [from, to] = [await client(), await client()];
      const changes: boolean[] = [];
      from.onChange((connected) => changes.push(connected));
      const subject = `e.${randomUUID()}`;
      const inbox = new Inbox(to, subject);
      const stopped = to.subscribe(subject, () => assert.fail('it was stopped while disconnected'));
      await under.settle(to);
      await under.stop();
      await waitFor('the disconnect', () => !from.connected && !to.connected);
      assert.deepEqual(changes, [false]);
      for (let i = 0; i < 100; i++) assert.equal(from.publish(subject, numbered(i)), false);
      stopped.stop();
      const late = new Inbox(to, `${subject}.late`);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(from.publish(subject, numbered(100)), false);
      await under.start();
      await waitFor('the reconnect', () => from.connected && to.connected);
      assert.deepEqual(changes, [false, true]);
      assert.equal(from.publish(subject, numbered(1_000)), true);
      assert.equal(from.publish(`${subject}.late`, numbered(1_001)), true);
      await inbox.count(1);
      await late.count(1);
      assert.deepEqual(inbox.messages.map(numberOf), [1_000]);
      assert.deepEqual(late.messages.map(numberOf), [1_001]);
    },
  );

  test(
    `${name}: what is in flight when the server dies is a prefix or lost, never late`,
    stopping,
    async () => {
      const under = await server();
      const [from, to] = [await client(), await client()];
      const subject = `e.${randomUUID()}`;
      const inbox = new Inbox(to, subject);
      await under.settle(to);
      for (let round = 0; round < 2; round++) {
        const start = inbox.messages.length;
        for (let i = 0; i < 2_000; i++) from.publish(subject, numbered(round * 10_000 + i));
        await under.stop();
        await waitFor('the disconnect', () => !from.connected && !to.connected);
        await under.start();
        await waitFor('the reconnect', () => from.connected && to.connected);
        from.publish(subject, numbered(round * 10_000 + 9_999));
        await waitFor('the mark', () => numberOf(inbox.messages.at(-1) ?? numbered(0)) % 10_000 === 9_999);
        const numbers = inbox.messages.slice(start).map(numberOf);
        assert.deepEqual(
          numbers.slice(0, -1),
          Array.from({ length: numbers.length - 1 }, (_, i) => round * 10_000 + i),
        );
      }
    },
  );

  test(
    `${name}: a closed client takes nothing, hears nothing, and what it published arrives`,
    options,
    async () => {
      const [from, to] = [await client(), await client()];
      const subject = `e.${randomUUID()}`;
      const inbox = new Inbox(to, subject);
      const own = new Inbox(from, subject);
      const changes: boolean[] = [];
      from.onChange((connected) => changes.push(connected));
      const { settle } = await server();
      await Promise.all([settle(to), settle(from)]);
      for (let i = 0; i < 1_000; i++) from.publish(subject, numbered(i));
      await from.close();
      assert.equal(from.connected, false);
      assert.deepEqual(changes, [false]);
      assert.equal(from.publish(subject, numbered(1)), false);
      await inbox.count(1_000);
      to.publish(subject, numbered(1));
      await settle(to);
      assert.equal(own.messages.length, 0);
      await from.close();
    },
  );
}

/** Keeps what comes. */
export class Inbox {
  readonly messages: Uint8Array[] = [];

  constructor(bus: Bus, subject: string) {
    bus.subscribe(subject, (bytes) => this.messages.push(bytes));
  }

  async count(count: number): Promise<void> {
    await waitFor(`${count} messages`, () => this.messages.length >= count);
    assert.equal(this.messages.length, count);
  }
}

export async function waitFor(what: string, done: () => boolean, msMax = WAIT_MS_MAX): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!done()) {
    if (performance.now() > deadline) assert.fail(`${what} did not come within ${msMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function numbered(n: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
