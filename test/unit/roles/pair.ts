import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createDirect, createGroup } from '../actors/requests.ts';
import type { EdgeNode, ScriptedSession } from '../peer/edge-node.ts';
import { isMail, LEASE_MS, type Sequencer, World } from './term-world.ts';

export interface Pair {
  readonly world: World;
  readonly conv: string;
  /** Who owns it, … */
  readonly from: Sequencer;
  /** … and who is to. */
  readonly to: Sequencer;
  readonly ann: ScriptedSession;
  readonly bob: ScriptedSession;
  readonly a: EdgeNode;
  readonly b: EdgeNode;
}

/** Two sequencers, one of which owns a conversation of ann, at edge a, and bob, at edge b. */
export async function pair(kind: 'group' | 'direct' = 'group'): Promise<Pair> {
  const world = new World();
  const [one, other] = [await world.sequencer(), await world.sequencer()];
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(1_500);
  const { number: session } = ann;
  const create =
    kind === 'direct'
      ? createDirect(['ann', 'bob'], { session })
      : createGroup(['ann', 'bob', 'cat'], { session });
  assert.equal(await world.ask(a, create), 'created');
  const { conv } = create;
  const isOne = (await world.ownerOf(conv)) === one.node;
  return { world, conv, from: isOne ? one : other, to: isOne ? other : one, ann, bob, a, b };
}

/** The first sequencer drains, until it owns nothing. */
export async function handOver({ world, conv, from, to }: Pair): Promise<void> {
  from.term.setDraining(true);
  for (let ms = 0; (await world.ownerOf(conv)) !== to.node; ms += 10) {
    assert.ok(ms < 5_000, 'it is handed over');
    await world.live(10);
  }
  await world.live(50);
}

export async function say(pair: Pair, count: number): Promise<void> {
  for (let i = 0; i < count; i++) pair.a.say(pair.ann, pair.conv);
  await pair.world.until('all is acknowledged', () => pair.a.idle);
}

/** Keeps a copy of the first offer that is sent. */
export function catchOffer(world: World, isLost: boolean, caught: () => void = () => undefined) {
  const offer: { bytes: Uint8Array | undefined } = { bytes: undefined };
  world.net.cut = (subject, bytes) => {
    if (!isMail(subject, bytes, 'offer') || offer.bytes !== undefined) return false;
    offer.bytes = bytes.slice();
    caught();
    return isLost;
  };
  return offer;
}

export function sentBy(node: string, bytes: Uint8Array): boolean {
  return Buffer.from(node.replaceAll('-', ''), 'hex').equals(bytes.subarray(2, 18));
}

/** The store is away until the sequencers step down, and comes back. */
export async function outage(world: World, during: () => void): Promise<void> {
  world.away = true;
  await world.live(LEASE_MS - 300);
  during();
  await world.live(10);
  world.away = false;
  await world.live(3_000);
}
