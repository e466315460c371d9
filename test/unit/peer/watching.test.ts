import assert from 'node:assert/strict';
import test from 'node:test';
import type { PeerBounds } from '../../../cluster/peer/bounds.ts';
import type { Users } from '../../../cluster/peer/whereabouts.ts';
import { UserHub } from '../../../cluster/users/user-hub.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { Delivery } from '../../../src/core/requests.ts';
import { homeOf } from '../../../src/core/users.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { userMetrics } from '../../support/routed.ts';
import { CONV, read } from '../actors/requests.ts';
import { settingsRequest, START } from '../cluster/user-rig.ts';
import { EdgeNode } from './edge-node.ts';
import { SILENT } from './link-rig.ts';
import { OwnerNode } from './owner-node.ts';
import { isData, withGroup } from './peer-world.ts';
import { RoughNet } from './rough-bus.ts';

/** Keeps what is asked of it of one edge's. */
function recorder(heard: string[]): Users {
  return {
    came: () => undefined,
    left: () => undefined,
    watch: (_, user) => void heard.push(`watch ${user}`),
    unwatch: (_, user) => void heard.push(`unwatch ${user}`),
    edgeGone: () => void heard.push('gone'),
    tellAgain: () => void heard.push('again'),
  };
}

/** Two owners and an edge that knows of neither yet; the ring is the test's. */
class World {
  readonly system = new VirtualSystem(1);
  readonly net = new RoughNet(this.system, 1);
  readonly store = new MemoryStore(this.system);
  readonly one: OwnerNode;
  readonly two: OwnerNode;
  readonly edge: EdgeNode;
  /** What each was asked since the last look. */
  readonly heardByOne: string[] = [];
  readonly heardByTwo: string[] = [];
  home: (user: string) => string | undefined;

  constructor(bounds: Partial<PeerBounds> = {}) {
    const { system, net, store } = this;
    const owners = [1, 2].map((i) => new OwnerNode(i, system, net, store, bounds));
    [this.one, this.two] = owners as [OwnerNode, OwnerNode];
    this.one.edges.useConversations(this.one, recorder(this.heardByOne));
    this.two.edges.useConversations(this.two, recorder(this.heardByTwo));
    this.home = () => this.one.id;
    const named = ['ann', 'bob', 'cat'];
    const ownerOf = (conv: string): string | undefined => {
      const user = named.find((each) => homeOf(each) === conv);
      return user === undefined ? undefined : this.home(user);
    };
    this.edge = new EdgeNode(3, system, net, store, ownerOf, bounds);
  }

  async live(...owners: OwnerNode[]): Promise<void> {
    this.edge.owners.useSequencers(owners.map(({ id }) => id));
    await this.system.settle();
  }
  async watch(...users: string[]): Promise<void> {
    for (const user of users) this.edge.owners.watch(user);
    await this.system.settle();
  }
  async unwatch(user: string): Promise<void> {
    this.edge.owners.unwatch(user);
    await this.system.settle();
  }
  heard(): [one: string[], two: string[]] {
    return [this.heardByOne.splice(0), this.heardByTwo.splice(0)];
  }

  /** What goes to processes of the kind during this is lost for good. */
  async lose(to: 'n.' | 'e.', during: () => void): Promise<void> {
    this.net.cut = (subject, bytes) => subject.startsWith(to) && isData(bytes);
    during();
    await this.system.advance(2_000);
    this.net.cut = () => false;
    await this.system.advance(1_500);
  }
}

test('a watch goes to the node that the ring names for the user', async () => {
  const world = new World();
  await world.live(world.one, world.two);
  world.home = (user) => (user === 'bob' ? world.two.id : world.one.id);
  await world.watch('ann', 'bob');
  assert.deepEqual(world.heard(), [['watch ann'], ['watch bob']]);
  await world.unwatch('bob');
  await world.unwatch('ann');
  assert.deepEqual(world.heard(), [['unwatch ann'], ['unwatch bob']]);
  await world.system.advance(10_000);
  await world.live(world.one, world.two);
  assert.deepEqual(world.heard(), [[], []], 'and that is all');
});

test('S17.7 a change of the ring moves those whom it concerns', async () => {
  const world = new World();
  await world.live(world.one, world.two);
  await world.watch('ann', 'bob');
  world.heard();
  world.home = (user) => (user === 'bob' ? world.two.id : world.one.id);
  await world.live(world.one, world.two);
  assert.deepEqual(world.heard(), [['unwatch bob'], ['watch bob']]);
  await world.unwatch('bob');
  assert.deepEqual(world.heard(), [[], ['unwatch bob']]);
});

test('S17.7 those of one who died move to the next', async () => {
  const world = new World();
  await world.live(world.one, world.two);
  await world.watch('ann', 'bob');
  world.heard();
  world.one.die();
  await world.live(world.two);
  assert.deepEqual(world.heard()[1], [], 'the ring still names the dead');
  world.home = () => world.two.id;
  await world.live(world.two);
  assert.deepEqual(world.heard()[1], ['watch ann', 'watch bob']);
});

test('while nobody lives it waits, and is told once somebody does', async () => {
  const world = new World();
  world.home = () => undefined;
  await world.watch('ann', 'bob', 'cat');
  await world.unwatch('cat');
  await world.system.advance(5_000);
  world.home = () => world.one.id;
  await world.live(world.two);
  assert.deepEqual(world.heard(), [[], []], 'the one named is not known to live');
  await world.live(world.one, world.two);
  await world.system.advance(5_000);
  assert.deepEqual(world.heard(), [['watch ann', 'watch bob'], []]);
});

test('S17.7 after a loss on the way to the owner all are told again', async () => {
  const world = new World();
  await world.live(world.one, world.two);
  await world.watch('ann');
  assert.deepEqual(world.heard(), [['watch ann'], []]);
  await world.lose('n.', () => world.edge.owners.watch('bob'));
  assert.deepEqual(world.heard(), [['watch ann', 'watch bob'], []]);
});

test('an owner who forgot the edge is told all again', async () => {
  const world = new World();
  await world.live(world.one);
  await world.watch('ann', 'bob');
  await world.unwatch('ann');
  world.heard();
  world.edge.bus.inner.disconnect();
  await world.system.advance(9_000);
  assert.deepEqual(world.heard()[0], ['gone']);
  world.edge.bus.inner.reconnect();
  await world.system.advance(1_500);
  const watched = new Set<string>(); // by what was said in order: some of it comes again from the ring
  for (const each of world.heard()[0]) {
    const [what, user = ''] = each.split(' ');
    if (what === 'watch') watched.add(user);
    else if (what === 'unwatch') watched.delete(user);
  }
  assert.deepEqual([...watched], ['bob']);
});

test('an owner whose words were lost on the way to the edge says them again', async () => {
  const world = new World();
  await world.live(world.one);
  await world.watch('ann');
  world.heard();
  const state = { user: 'ann', online: true, seen: 0, visibleTo: 'everyone' } as const;
  await world.lose('e.', () => world.one.edges.deliver({ t: 'state', edge: world.edge.id, state }));
  assert.deepEqual(world.heard()[0], ['again']);
});

test('S17.7 what one says who is not asked is not told: it is to stop', async () => {
  const world = new World();
  const { edge } = world;
  await world.live(world.one, world.two);
  await world.watch('ann', 'bob');
  await world.lose('n.', () => edge.owners.unwatch('bob'));
  world.home = () => world.two.id;
  await world.lose('n.', () => edge.owners.useSequencers([world.one.id, world.two.id]));
  world.heard();
  const say = async (owner: OwnerNode, user: string): Promise<void> => {
    const state = { user, online: true, seen: 0, visibleTo: 'contacts' } as const;
    owner.edges.deliver({ t: 'state', edge: edge.id, state });
    await world.system.settle();
  };
  await say(world.one, 'ann'); // it has not heard that another is asked now
  await say(world.one, 'bob'); // nor that nobody watches him any more
  assert.deepEqual(states(edge), []);
  assert.deepEqual(world.heard(), [['unwatch ann', 'unwatch bob'], []]);
  await say(world.two, 'ann');
  assert.deepEqual(states(edge), ['ann online contacts']);
});

// --- with the real hub behind the owner ---

/** The group of peer-world: ann and bob at edge a, cid at edge b, dan nowhere. */
async function withHub() {
  const made = await withGroup();
  const { owner, system, store, a, b } = made;
  const answered: string[] = [];
  const hub = new UserHub({
    store,
    edge: {
      deliver: (delivery) => owner.edges.deliver(delivery),
      answer: (_, { t }) => void answered.push(t),
    },
    system,
    logger: SILENT,
    metrics: userMetrics(),
    online: owner.edges.online,
    haveHeard: (user) => owner.edges.haveHeardSettings(user),
    isHome: () => true,
  });
  owner.edges.useConversations(owner, hub);
  a.deliveries.length = b.deliveries.length = 0;
  return { ...made, hub, answered, start: system.now() };
}

/** `cid online everyone`, `cid offline 5000 nobody`: of states; forgets all. */
function states(edge: EdgeNode): string[] {
  return edge.deliveries.splice(0).flatMap((each) => {
    if (each.t !== 'state') return [];
    assert.equal(each.edge, edge.id);
    const { user, online, seen, visibleTo } = each.state;
    return [`${user} ${online ? 'online' : `offline ${seen === 0 ? 0 : seen - START}`} ${visibleTo}`];
  });
}

test('states go to the edge that watches, whichever edge the user is at', async () => {
  const { a, b, system, hub, start, cid } = await withHub();
  a.owners.watch('cid');
  a.owners.watch('dan');
  await system.settle();
  assert.deepEqual([states(a), states(b)], [['cid online everyone', 'dan offline 0 everyone'], []]);
  const other = a.connect('cid');
  await system.settle();
  b.disconnect(cid);
  await system.advance(15_000);
  assert.deepEqual(states(a), [], 'one session is left');
  a.disconnect(other);
  await system.advance(10_200);
  assert.deepEqual(states(a), [`cid offline ${start + 15_000 - START} everyone`]);
  hub.change(settingsRequest('cid', { presence: 'contacts' }));
  await system.settle();
  assert.deepEqual(states(a), [`cid offline ${start + 15_000 - START} contacts`]);
});

test('the users of an edge that died are gone, and nothing is said to it any more', async () => {
  const { a, b, system, owner, start } = await withHub();
  for (const edge of [a, b]) edge.owners.watch('cid');
  await system.settle();
  assert.deepEqual([states(a), states(b)], [['cid online everyone'], ['cid online everyone']]);
  owner.edges.useEdges([a.id, b.id]);
  await b.bus.close();
  owner.edges.useEdges([a.id]);
  await system.advance(10_200);
  assert.deepEqual([states(a), states(b)], [[`cid offline ${start - START} everyone`], []]);
});

test('while a listed edge has not said who is there, nobody is told offline, for 1 s', async () => {
  const { a, b, system, owner } = await withHub();
  owner.edges.useEdges([a.id, b.id, '00000009-0000-7000-8000-000000000000']);
  for (const user of ['cid', 'dan']) a.owners.watch(user);
  await system.settle();
  assert.deepEqual(states(a), ['cid online everyone']);
  await system.advance(900);
  assert.deepEqual(states(a), []);
  await system.advance(200);
  assert.deepEqual(states(a), ['dan offline 0 everyone']);
});

test('what a user has set goes to the edges where the user is', async () => {
  const { a, b, system, hub } = await withHub();
  hub.change(settingsRequest('cid', { receipts: false, presence: 'nobody' }));
  await system.settle();
  const settings = { receipts: false, presence: 'nobody', at: system.now() };
  assert.deepEqual([a.deliveries, b.deliveries], [[], [{ t: 'settings', user: 'cid', settings }]]);
});

for (const seconds of [2, 10])
  test(`settings lost on the way have the user’s inbox read again, though nothing comes for ${seconds} s`, async () => {
    const { b, system, hub, net } = await withHub();
    net.cut = (subject, bytes) => subject === `e.${b.id}` && isData(bytes);
    hub.change(settingsRequest('cid', { receipts: false }));
    await system.advance(seconds * 1_000);
    net.cut = () => false;
    await system.advance(1_500);
    assert.deepEqual([b.deliveries, b.resynced], [[], ['cid']]);
  });

test('S17.8: what a user sets is answered when the edges where the user is have heard it, or 2 s later', async () => {
  const { a, b, system, hub, net, answered } = await withHub();
  a.connect('cid');
  await system.settle();
  a.deliveries.length = 0;
  hub.change(settingsRequest('cid', { receipts: false }));
  await system.advance(50);
  assert.deepEqual(answered, ['ok'], 'no beacon is waited for');
  const [first] = a.deliveries;
  assert.ok(first?.t === 'settings');
  net.cut = (subject, bytes) => subject === `e.${b.id}` && isData(bytes);
  hub.change(settingsRequest('cid', { receipts: true, base: first.settings.at }));
  await system.advance(1_900);
  assert.deepEqual([answered.length, a.deliveries.length], [1, 2], 'one edge of two has heard it');
  await system.advance(200);
  assert.deepEqual(answered, ['ok', 'ok']);
});

test('a hidden read is told to the user’s own edges, and what is shown of it to all', async () => {
  const { a, b, system, cid, ann } = await withHub();
  a.say(ann, CONV);
  await system.settle();
  a.deliveries.length = b.deliveries.length = 0;
  b.ask({ ...read('cid', 2, { session: cid.number }), isHidden: true });
  await system.advance(1_200);
  const told = (all: readonly Delivery[]): unknown[] =>
    all.flatMap((each): unknown[] => {
      if (each.t === 'receipt') return [each.items];
      return each.t === 'cursor' ? [[each.conv, each.user, each.item]] : [];
    });
  assert.deepEqual(told(a.deliveries), [[['cid', 2, 1]]]);
  assert.deepEqual(told(b.deliveries), [[['cid', 2, 1]], [CONV, 'cid', ['cid', 2, 2]]]);
});
