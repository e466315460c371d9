import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Delivery } from '../../../src/core/requests.ts';
import type { ServerFrame } from '../../../src/protocol/frames.ts';
import { ModelConversation } from './model-owner.ts';
import { type Client, convId, entryOf, Rig } from './rig.ts';

const USERS = Array.from({ length: 12 }, (_, i) => `u${i}`);
/** Their first conversations are beyond the first page. */
const BUSY_USERS = ['u0', 'u9'];
const FILLERS = 205;
const DELIVERED_KEPT = 200;

/** Numbers that a step takes modulo what it chooses from. */
const number = fc.nat(9_999);
const step = fc.tuple(
  fc.constantFrom(
    'connect',
    'send',
    'send',
    'send',
    'ask',
    'turn',
    'turn',
    'toggle',
    'stick',
    'unstick',
    'hangUp',
    'project',
    'echo',
    'echo',
    'resync',
    'settle',
    'advance',
  ),
  number,
  number,
);
type Step = readonly [op: string, a: number, b: number];

interface Peer {
  readonly client: Client;
  readonly user: string;
  readonly asked: Set<number>;
  nextId: number;
}

class World {
  readonly rig = new Rig({ bounds: { topicSessionsMin: 5, topicSessionsKeep: 3 } });
  readonly convs: ModelConversation[];
  readonly peers: Peer[] = [];
  /** What the inboxes do not show yet. */
  readonly unprojected = new Set<ModelConversation>();
  /** What was delivered of late: an earlier owner's words may come once more, and after its successor's. */
  readonly delivered: Delivery[] = [];

  constructor() {
    const { edge } = this.rig;
    const deliver = edge.deliver.bind(edge);
    edge.deliver = (delivery) => {
      this.delivered.push(delivery);
      if (this.delivered.length > DELIVERED_KEPT) this.delivered.shift();
      deliver(delivery);
    };
    this.echo = (i) => {
      const delivery = this.delivered[i % Math.max(1, this.delivered.length)];
      if (delivery !== undefined) deliver(delivery);
    };
    this.convs = [USERS, USERS.slice(0, 3), USERS.slice(2, 9), ['u0', 'u1']].map(
      (members, i) => new ModelConversation(this.rig, convId(i + 1), members),
    );
    this.rig.owners.onAnnounce = (user) => {
      for (const conv of this.unprojected) {
        const entry = conv.entryFor(user);
        if (entry !== undefined) this.rig.edge.deliver({ t: 'conversation', user, entry });
      }
    };
  }

  readonly echo: (i: number) => void;

  async start(): Promise<void> {
    const fillers = Array.from({ length: FILLERS }, (_, i) => entryOf(convId(100 + i), { ts: 1e9 + i }));
    for (const user of BUSY_USERS) await this.rig.inbox(user, fillers);
    for (const conv of this.convs) this.unprojected.add(conv);
    await this.project();
    for (let i = 0; i < 10; i++) this.connect(i, i * 7);
    await this.rig.settle();
  }

  async project(): Promise<void> {
    for (const conv of this.unprojected) {
      for (const user of USERS) {
        const entry = conv.entryFor(user);
        if (entry !== undefined) await this.rig.inbox(user, [entry]);
      }
    }
    this.unprojected.clear();
  }

  connect(a: number, b: number): void {
    const user = USERS[a % USERS.length] as string;
    const client = this.rig.connect(b % 3 === 0 ? 'json' : 'binary');
    client.send({ t: 'hello', token: `${b % 2 ? 'dev' : 'slow'}:${user}`, device: `d${b % 4}` });
    this.peers.push({ client, user, asked: new Set(), nextId: 1 });
  }

  async run([op, a, b]: Step): Promise<void> {
    const peer = this.peers[a % Math.max(1, this.peers.length)];
    const conv = this.convs[b % this.convs.length] as ModelConversation;
    if (op === 'connect') this.connect(a, b);
    else if (op === 'turn') this.turn(conv, a);
    else if (op === 'toggle') this.change(conv, USERS[a % USERS.length] as string);
    else if (op === 'project') await this.project();
    else if (op === 'echo') this.echo(b);
    else if (op === 'resync') this.rig.edge.resync(USERS[a % USERS.length] as string);
    else if (op === 'settle') await this.rig.settle();
    else if (op === 'advance') await this.rig.system.advance(b % 300);
    else if (peer !== undefined && peer.client.closeCode() === undefined) this.act(peer, op, b);
  }

  turn(conv: ModelConversation, a: number): void {
    this.unprojected.add(conv);
    for (const request of this.rig.owners.requests.splice(0))
      this.convs.find(({ conv: id }) => id === request.conv)?.take(request, a % 7 === 0);
    conv.turn(a % 5 === 0 ? 2 : Number.POSITIVE_INFINITY);
  }

  change(conv: ModelConversation, user: string): void {
    if (conv.members.size === 1 && conv.members.has(user)) return;
    this.unprojected.add(conv);
    conv.toggle(user);
  }

  act(peer: Peer, op: string, b: number): void {
    const conv = (this.convs[b % this.convs.length] as ModelConversation).conv;
    const { client } = peer;
    if (op === 'stick') client.socket.isStuck = true;
    else if (op === 'unstick') client.socket.unstick();
    else if (op === 'hangUp' && b % 4 === 0) client.socket.hangUp(1001);
    else if (op === 'send') for (let i = 0; i <= b % 30; i++) this.ask(peer, conv, 0);
    else if (op === 'ask') this.ask(peer, conv, 1 + (b % 5));
  }

  ask({ client, asked, nextId }: Peer, conv: string, kind: number): void {
    const peer = this.peers.find((each) => each.client === client) as Peer;
    const id = kind === 0 ? client.say(conv) : 1_000_000 + nextId;
    peer.nextId++;
    asked.add(id);
    if (kind === 1) client.send({ t: 'ping', id });
    else if (kind === 2) client.send({ t: 'history', id, conv });
    else if (kind === 3) client.send({ t: 'conversations', id });
    else if (kind === 4) client.send({ t: 'members', id, conv });
    else if (kind === 5) client.send({ t: 'auth', id, token: `slow:${client.session.user}` });
  }

  /** Everyone reads again, every owner answers. */
  async finish(): Promise<void> {
    for (let rounds = 0; rounds < 4; rounds++) {
      await this.rig.settle();
      for (const conv of this.convs) this.turn(conv, 1);
      for (const { client } of this.peers) {
        if (client.closeCode() === undefined) this.rig.edge.handlers.alive(client.session);
        client.socket.unstick();
      }
      await this.rig.system.advance(1_500);
    }
  }
}

const seqOf = (frame: ServerFrame): number => (frame.t === 'message' || frame.t === 'ack' ? frame.seq : 0);

/** It says nothing of the conversation. */
function isBadgeAlone(frame: ServerFrame): boolean {
  return frame.t === 'conversation' && frame.badge !== undefined;
}

/** Checks all that one connection received in one conversation; returns the highest seq that it knows of. */
function checkConversation(frames: readonly ServerFrame[], conv: string): number {
  let last = 0;
  let known = 0;
  let isShown = false;
  let removed = Number.POSITIVE_INFINITY;
  for (const frame of frames) {
    if (frame.t === 'welcome' || frame.t === 'conversations') {
      const entry = frame.conversations.find((each) => each.conv === conv);
      if (entry === undefined) continue;
      isShown = true;
      known = Math.max(known, entry.head);
      continue;
    }
    if (!('conv' in frame) || frame.conv !== conv) continue;
    if (isBadgeAlone(frame)) continue;
    if (frame.t === 'conversation') {
      isShown = true;
      removed = frame.removed ?? Number.POSITIVE_INFINITY;
      known = Math.max(known, frame.head ?? 0);
    } else if (frame.t === 'message' || frame.t === 'ack') {
      assert.ok(seqOf(frame) > last, `${frame.t} ${seqOf(frame)} after ${last}`);
      assert.ok(frame.t === 'ack' || isShown, 'an event before its conversation');
      assert.ok(seqOf(frame) < removed, `${seqOf(frame)} came to one removed at ${removed}`);
      last = seqOf(frame);
      known = Math.max(known, last);
    } else if (frame.t === 'head') {
      assert.ok(isShown && frame.seq < removed);
      known = Math.max(known, frame.seq);
    }
  }
  return known;
}

/** Whether the connection was last told that its user is a member; pages aside, which the inbox alone answers. */
function wasToldMember(frames: readonly ServerFrame[], conv: string): boolean {
  let isMember = false;
  for (const frame of frames) {
    const entry =
      frame.t === 'welcome'
        ? frame.conversations.find((each) => each.conv === conv)
        : frame.t === 'conversation' && frame.conv === conv && !isBadgeAlone(frame)
          ? frame
          : undefined;
    if (entry !== undefined) isMember = entry.removed === undefined;
  }
  return isMember;
}

function check({ client, user, asked }: Peer, convs: readonly ModelConversation[]): void {
  const isOpen = client.closeCode() === undefined;
  const answers = client.received.flatMap((frame) =>
    'id' in frame && frame.id !== undefined ? [frame.id] : [],
  );
  assert.equal(new Set(answers).size, answers.length, 'no id is answered twice');
  if (isOpen) assert.deepEqual(new Set(answers), asked, 'each id is answered');
  if (client.received.length > 0) assert.ok(['welcome', 'bye'].includes(client.received[0]?.t as string));
  for (const { conv, head, members } of convs) {
    const known = checkConversation(client.received, conv);
    if (isOpen && members.has(user) && !BUSY_USERS.includes(user))
      assert.equal(known, head, `${user} knows of ${known} of ${head}`);
    if (isOpen && !BUSY_USERS.includes(user))
      assert.equal(wasToldMember(client.received, conv), members.has(user), `${user} in ${conv}`);
  }
}

test('S2.6 S7.2 S7.3 S8.6 whatever the interleaving, repetition and resync: one answer an id, rising seqs, nothing missed unknown', async () => {
  let topics = 0;
  let pulls = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 160, size: 'max' }), async (steps) => {
      const world = new World();
      await world.start();
      for (const each of steps) {
        await world.run(each);
        pulls = Math.max(pulls, world.rig.metrics.gauges.pullSockets);
      }
      topics = Math.max(topics, world.rig.sockets.publishes);
      await world.finish();
      for (const peer of world.peers) check(peer, world.convs);
      assert.deepEqual(world.rig.logged, []);
    }),
    { numRuns: 100 },
  );
  assert.ok(topics > 0 && pulls > 0, `topics ${topics}, pulls ${pulls}`);
});
