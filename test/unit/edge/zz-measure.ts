const clock = (): number => { const c = process.cpuUsage(); return (c.user + c.system) / 1000; };
import { realSystem } from '../../../src/adapters/system.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { createEdge } from '../../../src/edge/edge.ts';
import { devAuthenticator } from '../../../src/edge/auth/dev.ts';
import { createMetrics } from '../../../src/telemetry.ts';
import { encodeClient } from '../../../src/protocol/client-codec.ts';
import { audience, convId, entryOf, messageDelivery } from './rig.ts';
import type { Socket } from '../../../src/edge/socket.ts';
import { randomUUID } from 'node:crypto';

class Null implements Socket {
  readonly subprotocol = 'binary' as const;
  readonly remoteAddress = 'x';
  send() {
    return 'sent' as const;
  }
  cork(w: () => void) {
    w();
  }
  bufferedBytes() {
    return 0;
  }
  subscribe() {}
  unsubscribe() {}
  publish() {}
  ping() {}
  end() {}
  terminate() {}
}
const system = realSystem();
const store = new MemoryStore(system);
const N = 5000;
const users = Array.from({ length: N }, (_, i) => `user-${i}`);
// ring of directs: user i with i+1..i+10 -> 20 conversations each
const convs: [string, number, number][] = [];
for (let i = 0; i < N; i++) for (let k = 1; k <= 10; k++) convs.push([convId(i * 10 + k), i, (i + k) % N]);
for (const [conv, a, b] of convs)
  for (const u of [a, b])
    await store.write([
      {
        conv,
        fence: 1,
        conversation: undefined,
        members: [],
        inbox: [{ user: users[u]!, readN: 0, entry: entryOf(conv) }],
      },
    ]);
const edge = createEdge({
  id: 'e',
  system,
  logger: { info() {}, warn() {}, error: console.error },
  metrics: createMetrics(),
  messages: store,
  projections: store,
  authenticator: devAuthenticator,
  settings: { sendsPerSecond: 1e6, burst: 1e6, reconnectSpreadMs: 1000 },
});
const requests: any[] = [];
edge.useOwners({ submit: (r) => void requests.push(r), announce: () => {} });
edge.usePublisher({ publish() {} });
const turn = () => new Promise((r) => setImmediate(r));
globalThis.gc!();
globalThis.gc!();
const before = process.memoryUsage();
const sessions = users.map(() => edge.handlers.open(new Null()));
for (let i = 0; i < N; i++)
  edge.handlers.message(
    sessions[i]!,
    encodeClient({ t: 'hello', token: `dev:${users[i]}`, device: 'd1', attempt: 5 }, 'binary') as Uint8Array,
    true,
  );
for (let i = 0; i < 300; i++) await turn();
globalThis.gc!();
globalThis.gc!();
const idle = process.memoryUsage();
console.log(
  'modes',
  new Set(sessions.map((s) => s.mode)),
  'bytes per idle session',
  (idle.heapUsed + idle.external - before.heapUsed - before.external) / N,
);
const auds = convs.map(([conv, a, b]) => audience(conv, [users[a]!, users[b]!]));
globalThis.gc!();
const b2 = process.memoryUsage();
for (const a of auds) edge.deliver(messageDelivery(a, 1, undefined));
await turn();
await turn();
globalThis.gc!();
globalThis.gc!();
const act = process.memoryUsage();
console.log(
  'more with 20 cached audiences each',
  (act.heapUsed + act.external - b2.heapUsed - b2.external) / N,
);
// hot path: send -> submit, ack, deliver to the peer
const M = 300_000;
const frames = auds
  .slice(0, 20000)
  .map(
    (a) =>
      encodeClient(
        { t: 'send', id: 1, conv: a.conv, cmid: randomUUID(), body: 'x'.repeat(100) },
        'binary',
      ) as Uint8Array,
  );
const deliveries = auds.slice(0, 20000).map((a) => messageDelivery(a, 2, undefined, 100));
let seq = 2;
const parts = [0, 0, 0, 0];
for (let done = 0; done < M; ) {
  seq++;
  for (let q = 0; q < frames.length; q++) {
    frames[q]![6] = seq & 255;
    frames[q]![7] = (q % 10) + 1;
  }
  for (let j = 0; j < 20000; j += 500) {
    let t = clock();
    for (let k = j; k < j + 500; k++) edge.handlers.message(sessions[convs[k]![1]]!, frames[k]!, true);
    parts[0] += clock() - t;
    // one send per session and turn: ids are unique per session here only if each session sends once
    t = clock();
    const rs = requests.splice(0);
    for (const r of rs) edge.answer(r, { t: 'ack', seq, ts: 1, duplicate: false });
    parts[1] += clock() - t;
    t = clock();
    for (let k = j; k < j + 500; k++) {
      const d = deliveries[k]!;
      (d as any).seq = seq;
      edge.deliver(d);
    }
    parts[2] += clock() - t;
    t = clock();
    await turn();
    parts[3] += clock() - t;
    done += 500;
  }
}
console.log(
  'us per message: intake, answer, deliver, flush',
  parts.map((p) => ((p / M) * 1000).toFixed(2)),
);
console.log(sessions.filter((s) => s.mode === 'closed').length, 'closed');
edge.stop();
