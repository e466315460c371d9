import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import type { Presence } from '../../src/core/presence-port.ts';

/** A service that can die, come back and forget, and its port. */
export interface PresenceUnderTest {
  /** Expires after EXPIRY_MS. */
  readonly presence: Presence;
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

  test(`${name}: reads during writes see who was told of`, options, async () => {
    const { presence, settle } = await service();
    const ann = user();
    presence.online(ann, 'phone', 'edge-1');
    await settle();
    let told = 0;
    let settled = 0;
    const write = async (): Promise<void> => {
      while (told < 100) {
        presence.online(ann, 'phone', 'edge-1');
        presence.online(ann, `d${++told}`, 'edge-2');
        const before = told;
        await settle();
        settled = before;
      }
    };
    const read = async (): Promise<void> => {
      while (told < 100) {
        const atLeast = settled;
        const devices = await presence.devices(ann);
        assert.ok(devices !== 'unknown');
        const names = devices.map(({ device }) => device);
        assert.deepEqual(names, names.toSorted());
        assert.ok(names.includes('phone'));
        assert.ok(atLeast === 0 || names.includes(`d${atLeast}`), `d${atLeast} of ${names.length}`); // older ones expire
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([write(), read()]);
  });

  test(`${name}: a flushed service knows nothing, and learns again`, stopping, async () => {
    const { presence, settle, flush } = await service();
    const ann = user();
    presence.online(ann, 'phone', 'edge-1');
    await settle();
    await flush();
    assert.deepEqual(await presence.devices(ann), []);
    presence.online(ann, 'phone', 'edge-1');
    await settle();
    assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
  });

  test(
    `${name}: a dead service is unknown at once, delays nobody, and comes back empty`,
    stopping,
    async () => {
      const { presence, settle, stop, start } = await service();
      const ann = user();
      presence.online(ann, 'phone', 'edge-1');
      await settle();
      await stop();
      const begin = performance.now();
      for (let i = 0; i < 20_000; i++) presence.online(ann, `d${i % 100}`, 'edge-1');
      assert.ok(performance.now() - begin < 1_000);
      assert.equal(await presence.devices(ann), 'unknown');
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
    },
  );
}

let users = 0;
const run = randomUUID().slice(0, 8);

/** A user that no other test and no other run speaks of. */
export function user(): string {
  return `u${++users}.${run}`;
}
