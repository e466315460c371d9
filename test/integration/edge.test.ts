import assert from 'node:assert/strict';
import test from 'node:test';
import { chat, type ChatServers, leave, readBack, stall } from '../scenarios/group-chat.ts';
import { startStack } from './edge-stack.ts';

for (const library of ['uws', 'ws'] as const) {
  test(`${library}: edge, actors and real sockets`, async (t) => {
    const stack = await startStack(library);
    t.after(() => stack.close());
    const { gauges } = stack.metrics;
    const servers: ChatServers = {
      urls: [stack.url],
      pullSockets: async () => gauges.pullSockets,
      drain: () => stack.edge.drain(2_000),
    };
    let group: Awaited<ReturnType<typeof chat>>;
    await t.test(
      'S7.1 S7.2 S2.3 a group over topics: all get all, in order, in both subprotocols',
      async () => {
        group = await chat(servers);
      },
    );
    await t.test('S7.4 a socket that stops reading is turned to pull, and learns the head', () =>
      stall(servers, group),
    );
    await t.test('S6.2 a member who comes later pages through it all', () => readBack(servers, group));
    await t.test('S2.11 drain says bye to all', async () => {
      await leave(servers, group);
      assert.equal(gauges.connections, 0);
    });
    assert.deepEqual(stack.errors, []);
  });
}
