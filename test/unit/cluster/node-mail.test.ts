import assert from 'node:assert/strict';
import test from 'node:test';
import { Packr } from 'msgpackr';
import { NodeMail, type NodeMailListener, receiveNodeMail } from '../../../cluster/node-mail.ts';
import type { Offer } from '../../../cluster/offers.ts';
import { nodeSubject } from '../../../cluster/peer/subjects.ts';
import { MemoryBusHub } from '../../../src/adapters/memory/bus.ts';
import type { HandOver } from '../../../src/core/rows.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { CONV, cmid, createGroup, members, send } from '../actors/requests.ts';
import { Stage } from '../actors/stage.ts';

const ONE = '00000001-0000-7000-8000-000000000000';
const OTHER = '00000002-0000-7000-8000-000000000000';
const PACKR = new Packr({ useRecords: false });

function world() {
  const system = new VirtualSystem();
  const hub = new MemoryBusHub(system);
  const bus = hub.client();
  const offers: Offer[] = [];
  const said: string[] = [];
  const warnings: object[] = [];
  const listener: NodeMailListener = {
    offered: (offer) => void offers.push(offer),
    released: (conv, giver) => void said.push(`released ${conv} by ${giver}`),
    arrived: (conv) => void said.push(`arrived ${conv}`),
    show: (conv) => void said.push(`show ${conv}`),
    buried: (node) => void said.push(`buried ${node}`),
    drain: (isWanted) => void said.push(`drain ${isWanted}`),
  };
  const logger = { info: () => {}, warn: (fields: object) => void warnings.push(fields), error: () => {} };
  const subscription = receiveNodeMail(hub.client(), OTHER, listener, logger);
  return { system, bus, mail: new NodeMail(bus, ONE), offers, said, warnings, subscription };
}

function stateOf(stage: Stage): HandOver {
  return stage.actor.handOver();
}

function talk(): Stage {
  const stage = new Stage();
  stage.settle(createGroup(['ann', 'bob'], { title: 'Tëam' }));
  for (let i = 0; i < 100; i++) stage.settle(send('ann', cmid(i), { text: `text ${i}` }));
  stage.settle(members('ann', { op: 'add', users: ['cat'] }));
  return stage;
}

test('what one node says the other hears, as it was', async () => {
  const { system, mail, offers, said, warnings } = world();
  const state = stateOf(talk());
  mail.offer(OTHER, CONV, 7, state);
  mail.released(OTHER, CONV);
  mail.arrived(OTHER, CONV);
  mail.show(OTHER, CONV);
  mail.buried(OTHER, ONE);
  mail.drain(OTHER, true);
  mail.drain(OTHER, false);
  mail.drain(ONE, true);
  await system.settle();
  assert.deepEqual(said, [
    `released ${CONV} by ${ONE}`,
    `arrived ${CONV}`,
    `show ${CONV}`,
    `buried ${ONE}`,
    'drain true',
    'drain false',
  ]);
  assert.deepEqual(warnings, []);
  const [offer] = offers as [Offer];
  assert.deepEqual([offers.length, offer.conv, offer.fence], [1, CONV, 7]);
  const asBytes = (it: HandOver) => ({
    ...it,
    tail: it.tail.map(({ seq, env }) => [seq, [...env]]),
    lastMessage: it.lastMessage && [...it.lastMessage],
  });
  assert.deepEqual(asBytes(offer.state), asBytes(state));
  assert.ok(offer.bytes > 10_000);
});

test('of a conversation without title or message nothing is invented on the way', async () => {
  const { system, mail, offers } = world();
  mail.offer(OTHER, CONV, 1, stateOf(Stage.direct('ann', 'bob')));
  await system.settle();
  const state = offers[0]?.state as HandOver;
  assert.deepEqual([state.head, state.tail, state.ids, state.lastMessage], [0, [], [], undefined]);
  assert.equal(state.conversation.title, undefined);
});

test('an offer that is larger than the bus takes is not made', async () => {
  const { system, mail, offers } = world();
  const state = stateOf(talk());
  const env = new Uint8Array(1024 * 1024);
  mail.offer(OTHER, CONV, 1, { ...state, lastMessage: env });
  mail.offer(OTHER, CONV, 2, state);
  await system.settle();
  assert.deepEqual(
    offers.map(({ fence }) => fence),
    [2],
  );
});

test('what can not be read is left out, and said once each', async () => {
  const { system, bus, offers, said, warnings } = world();
  const state = stateOf(talk());
  const { head: _head, ...headless } = state;
  const bad: unknown[] = [
    undefined,
    'offer',
    {},
    [],
    ['hello', CONV],
    ['drain'],
    ['drain', 1],
    ['released'],
    ['released', 'no uuid'],
    ['released', 7],
    ['released', CONV],
    ['released', CONV, 'no uuid'],
    ['arrived', 7],
    ['offer', CONV],
    ['offer', CONV, 7, state],
    ['offer', CONV, 7, state, 'no uuid', 1],
    ['offer', CONV, 7, state, ONE, '1'],
    ['show'],
    ['offer', CONV, '7', state, ONE, 1],
    ['offer', CONV, 7.5, state, ONE, 1],
    ['offer', 'no uuid', 7, state, ONE, 1],
    ['offer', CONV, 7, null, ONE, 1],
    ['offer', CONV, 7, headless, ONE, 1],
    ['offer', CONV, 7, { ...state, members: {} }, ONE, 1],
    ['offer', CONV, 7, { ...state, conversation: null }, ONE, 1],
    ['offer', CONV, 7, { ...state, head: '5' }, ONE, 1],
  ];
  const all: Uint8Array[] = bad.map((value) => PACKR.pack(value));
  all.push(new Uint8Array([0xc1]), new Uint8Array(0), PACKR.pack(['released', CONV, ONE]).subarray(0, 9));
  for (const bytes of all) bus.publish(nodeSubject(OTHER), bytes);
  await system.settle();
  assert.deepEqual([offers, said], [[], []]);
  assert.equal(warnings.length, all.length);
});

test('who stopped listening hears nothing', async () => {
  const { system, mail, said, subscription } = world();
  subscription.stop();
  mail.drain(OTHER, true);
  await system.settle();
  assert.deepEqual(said, []);
});

test('of an offer no more is kept in memory than the rows of its tail are long', async () => {
  const { system, bus, offers } = world();
  const stage = talk();
  for (let i = 100; i < 1_200; i++) stage.settle(send('ann', cmid(i)));
  const bytes = new Uint8Array(PACKR.pack(['offer', CONV, 1, stateOf(stage), ONE, 1])); // alone in its memory
  bus.publish(nodeSubject(OTHER), bytes);
  await system.settle();
  const [offer] = offers as [Offer];
  const { tail } = offer.state;
  const kept = new Set(tail.map(({ env }) => env.buffer));
  const keptBytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const tailBytes = tail.reduce((sum, { env }) => sum + env.length, 0);
  assert.ok(keptBytes < 2 * tailBytes, `${keptBytes} bytes are kept for ${tailBytes}`);
});
