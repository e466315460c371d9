import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import { ConversationSequencer } from '../../actors/conversation-sequencer.ts';
import { routed } from '../support/routed.ts';
import { ActorHost } from '../../cluster/actor-host.ts';
import { CommittedReader } from '../../cluster/committed-reader.ts';
import { MemoryPresence } from '../../src/adapters/memory/presence.ts';
import { MemoryStore } from '../../src/adapters/memory/store.ts';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { devAuthenticator } from '../../src/edge/auth/dev.ts';
import { createEdge } from '../../src/edge/edge.ts';
import type { Entry } from '../../src/core/entry.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { createMetrics } from '../../src/telemetry.ts';
import { inboxRow, projection, silent } from '../contract/store-fixtures.ts';
import {
  cassandraMissing,
  connectScylla,
  migrate,
  openScylla,
  requestsOf,
  testCassandra,
} from '../support/scylla.ts';
import { FrameClient, listenFor } from './edge-stack.ts';

const CONVERSATIONS = 2_000;

/** An edge as the role of that name makes it, over the store; who owns conversations is of no matter to a `hello`. */
async function serve(t: TestContext, store: ScyllaStore): Promise<string> {
  const system = realSystem();
  const metrics = createMetrics();
  const owners = new MemoryStore(system);
  const edge = createEdge({
    id: 'edge-1',
    system,
    logger: silent,
    metrics,
    messages: new CommittedReader(store.log),
    projections: store.projections,
    presence: new MemoryPresence(system),
    authenticator: devAuthenticator,
    settings: { sendsPerSecond: 1_000, burst: 2_000, reconnectSpreadMs: 1_000 },
  });
  const makeActor = (activation: ConstructorParameters<typeof ConversationSequencer>[0]) =>
    new ConversationSequencer(activation);
  const host = new ActorHost({ ports: owners, edge, system, logger: silent, metrics, makeActor });
  const { router, stop } = routed({ host, edge, store: owners, system, logger: silent });
  edge.useOwners(router);
  const sockets = await listenFor(edge, silent, 'uws');
  t.after(async () => {
    stop();
    host.stop();
    edge.stop();
    await sockets.close();
  });
  return `ws://127.0.0.1:${sockets.port}/v1/connect`;
}

test(`scylla: a cold hello of a user with ${CONVERSATIONS} conversations is one read of one partition`, {
  skip: cassandraMissing() ?? false,
}, async (t) => {
  const cassandra = await testCassandra();
  t.after(() => cassandra.stop());
  await migrate(cassandra.options);
  const answered: string[] = [];
  const failed: string[] = [];
  const store = await openScylla(cassandra.options, {
    answered: (statement) => void answered.push(statement),
    failed: (statement) => void failed.push(statement),
    batch: () => undefined,
  });
  t.after(() => store.close());
  const aside = await connectScylla(cassandra.options);
  t.after(() => aside.close());

  const user = `ann-${randomUUID()}`;
  const inbox = Array.from({ length: CONVERSATIONS }, (_, i) => {
    return inboxRow(user, randomUUID(), i + 1, i >> 1, 'x'.repeat(20));
  });
  await store.projections.write([projection(randomUUID(), 1, { inbox })]);
  const url = await serve(t, store);
  // Another user's first: the statement is prepared once per process.
  const other = await FrameClient.join(url, `bob-${randomUUID()}`, 'json');

  const requests = requestsOf(store.client);
  answered.length = 0;
  const before = await requestsServed(aside, store);
  const started = performance.now();
  const client = await FrameClient.join(url, user, 'json');
  t.diagnostic(`welcome after ${(performance.now() - started).toFixed(1)} ms`);
  const after = await requestsServed(aside, store);

  assert.deepEqual([answered, failed], [['inbox'], []]);
  // One statement, of the whole partition, whatever its columns.
  assert.deepEqual(
    requests.map(({ query }) => query.replace(/^SELECT [\w,\s]+ FROM /, '')),
    [`${cassandra.options.keyspace}.inbox WHERE user = ?`],
  );
  if (after !== undefined && before !== undefined) {
    t.diagnostic(`requests that the server counts: ${after - before}`);
    assert.equal(after - before, 1);
  }

  const welcome = client.frames.find((frame) => frame.t === 'welcome');
  assert.ok(welcome?.t === 'welcome');
  const newest = inbox.map(({ entry }) => entry).toReversed();
  const shown = welcome.conversations.map((entry) => entry.conv);
  assert.equal(shown.length, LIMITS.welcomeEntriesMax);
  assert.deepEqual(
    shown,
    newest.slice(0, shown.length).map((entry: Entry) => entry.conv),
  );
  assert.equal(welcome.more, true);
  for (const each of [client, other]) each.socket.close();
});

/**
 * How many requests the server has had over the store's connections, by its own count; undefined where it keeps
 * none (ScyllaDB). Connections that say nothing for 5 s are asked for a sign of life: those just used are not.
 */
async function requestsServed(aside: Asking, store: ScyllaStore): Promise<number | undefined> {
  const ports = new Set(localPorts(store));
  try {
    const { rows } = await aside.driver.execute('SELECT port, request_count FROM system_views.clients');
    const own = rows.filter((row) => ports.has(row.port as number));
    assert.equal(own.length, ports.size);
    return own.reduce((sum, row) => sum + Number(row.request_count), 0);
  } catch (error) {
    if (error instanceof Error && error.message.includes('system_views')) return undefined;
    throw error;
  }
}

type Asking = Awaited<ReturnType<typeof connectScylla>>;

/** Of the driver's connections, which its types don't show. */
function localPorts({ client }: ScyllaStore): number[] {
  const hosts = [...client.driver.hosts.values()] as unknown as {
    readonly pool: {
      readonly connections: readonly { readonly netClient: { readonly localPort: number } }[];
    };
  }[];
  return hosts.flatMap(({ pool }) => pool.connections.map(({ netClient }) => netClient.localPort));
}
