import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { socketUrl } from '../../src/client/options.ts';
import { FrameClient } from '../integration/edge-stack.ts';

/** Servers as these scenarios need them: one, or several that a group's members are spread over. */
export interface ChatServers {
  readonly urls: readonly string[];
  /** Sockets that are too slow to be pushed to, at all servers. */
  pullSockets(): Promise<number>;
  /** Has all servers leave. */
  drain(): Promise<void>;
}

const MEMBERS = 16;
const SENDERS = 4;
const MESSAGES_EACH = 200;

const subprotocolOf = (i: number) => (i % 4 === 3 ? 'json' : 'binary');
const nameOf = (i: number) => `u${i}`;

/** What one scenario leaves to the next. */
export interface Group {
  readonly conv: string;
  readonly clients: FrameClient[];
}

/** A group over topics: all get all, in order, in both subprotocols. */
export async function chat({ urls }: ChatServers): Promise<Group> {
  const clients: FrameClient[] = [];
  for (let i = 0; i < MEMBERS; i++)
    clients.push(
      await FrameClient.join(socketUrl(urls[i % urls.length] as string), nameOf(i), subprotocolOf(i)),
    );
  const [first] = clients as [FrameClient];
  const members = clients.map((_, i) => nameOf(i));
  const created = await first.ask({ t: 'create', id: 1, kind: 'group', members });
  assert.ok(created.t === 'created');
  const { conv } = created;
  const senders = clients.slice(MEMBERS - SENDERS);
  for (let i = 0; i < MESSAGES_EACH; i++) {
    for (const sender of senders)
      sender.send({ t: 'send', id: 10 + i, conv, cmid: randomUUID(), body: `message ${i} ü` });
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const total = 1 + SENDERS * MESSAGES_EACH;
  for (const client of clients) {
    await client.until(`all of ${total}`, () => seqsOf(client, conv).length >= total);
    assert.deepEqual(
      seqsOf(client, conv),
      Array.from({ length: total }, (_, i) => i + 1),
    );
    const acks = client.frames.filter((frame) => frame.t === 'ack').length;
    assert.equal(acks, senders.includes(client) ? MESSAGES_EACH : 0);
  }
  return { conv, clients };
}

function seqsOf(client: FrameClient, conv: string): number[] {
  return client.frames.flatMap((frame) =>
    (frame.t === 'message' || frame.t === 'ack') && frame.conv === conv ? [frame.seq] : [],
  );
}

/** A socket that stops reading is turned to pull, and learns the head. */
export async function stall(servers: ChatServers, { conv, clients }: Group): Promise<void> {
  const [slow, sender, other] = clients as [FrameClient, FrameClient, FrameClient];
  const from = seqsOf(other, conv).length;
  slow.socket.pause();
  const body = 'x'.repeat(16_000);
  let sent = 0;
  while ((await servers.pullSockets()) === 0 && sent < 4_000) {
    for (let i = 0; i < 50; i++)
      sender.send({ t: 'send', id: 1_000 + sent++, conv, cmid: randomUUID(), body });
    await other.until('the others', () => seqsOf(other, conv).length === from + sent);
  }
  assert.equal(await servers.pullSockets(), 1, `after ${sent} messages`);
  const head = from + sent;
  const pushed = seqsOf(slow, conv).length;
  slow.socket.resume();
  await slow.until('the head', () => slow.frames.some((frame) => frame.t === 'head' && frame.seq === head));
  const seqs = seqsOf(slow, conv);
  assert.ok(seqs.length > pushed && seqs.length < head, 'what fitted, and no more');
  assert.deepEqual(
    seqs,
    [...seqs].sort((a, b) => a - b),
  );
  sender.send({ t: 'send', id: 9_999, conv, cmid: randomUUID(), body: 'again' });
  await slow.until('a push again', () => seqsOf(slow, conv).at(-1) === head + 1);
}

/** A member who comes later pages through it all. */
export async function readBack({ urls }: ChatServers, { conv, clients }: Group): Promise<void> {
  const [first] = clients as [FrameClient];
  const added = await first.ask({ t: 'members', id: 20_000, conv, add: ['late'] });
  assert.ok(added.t === 'ok' && added.seq !== undefined);
  const late = await FrameClient.join(socketUrl(urls.at(-1) as string), 'late', 'binary');
  let after = 0;
  for (let id = 1; ; id++) {
    const page = await late.ask({ t: 'history', id, conv, after, limit: 200 });
    assert.ok(page.t === 'page');
    for (const { seq } of page.messages) assert.equal(seq, ++after);
    if (!page.more) break;
  }
  assert.equal(after, added.seq);
}

/** Drain says bye to all. */
export async function leave(servers: ChatServers, { clients }: Group): Promise<void> {
  await servers.drain();
  for (const client of clients) {
    await client.until('the close', () => client.closeCode !== undefined);
    assert.equal(client.closeCode, 4000);
    const bye = client.frames.at(-1);
    assert.ok(bye?.t === 'bye' && bye.reconnect && (bye.retryAfterMs ?? 0) >= 500);
  }
}
