import assert from 'node:assert/strict';
import test from 'node:test';
import { PRESENCE_REFRESH_MS } from '../../../src/core/presence-port.ts';
import { EDGE, Rig } from './rig.ts';

/** What owners heard of users, in order. */
function heard(rig: Rig): string[] {
  const all: string[] = [];
  rig.owners.onAnnounce = (user) => void all.push(`+${user}`);
  rig.owners.onDepart = (user) => void all.push(`-${user}`);
  return all;
}

const devices = async (rig: Rig, user: string) => {
  const found = await rig.presence.devices(user);
  assert.ok(found !== 'unknown');
  for (const { edge } of found) assert.equal(edge, EDGE);
  return found.map(({ device }) => device);
};

test('owners hear when the last session of a user goes, and again when the user is back', async () => {
  const rig = new Rig();
  const all = heard(rig);
  const phone = await rig.join('ann', 'phone');
  const desk = await rig.join('ann', 'desk');
  phone.socket.hangUp(1000);
  assert.deepEqual(all.splice(0), ['+ann', '+ann']);
  desk.socket.hangUp(1000);
  assert.deepEqual(all.splice(0), ['-ann']);
  await rig.join('ann', 'phone');
  assert.deepEqual(all, ['+ann']);
});

test('a session that takes the place of the only one: the user never was away', async () => {
  const rig = new Rig();
  const all = heard(rig);
  const old = await rig.join('ann');
  const next = await rig.join('ann');
  assert.equal(old.closeCode(), 4102);
  assert.deepEqual(all.splice(0), ['+ann', '+ann']);
  assert.deepEqual(await devices(rig, 'ann'), ['d1']);
  old.socket.hangUp(1000);
  assert.deepEqual(all, []);
  next.socket.hangUp(1000);
  assert.deepEqual(all, ['-ann']);
});

test('who never was announced does not depart; who leaves while being greeted does', async () => {
  const rig = new Rig();
  const all = heard(rig);
  rig.connect().socket.hangUp(1000);
  const refused = rig.connect();
  refused.send({ t: 'hello', token: 'forged', device: 'd1' });
  const early = rig.connect();
  early.send({ t: 'hello', token: 'slow:ann', device: 'd1' }); // its token is still being checked
  early.socket.hangUp(1000);
  await rig.settle();
  assert.deepEqual(all, []);
  const greeted = rig.connect();
  greeted.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
  assert.deepEqual(await devices(rig, 'ann'), ['d1']);
  greeted.socket.hangUp(1000);
  await rig.settle();
  assert.deepEqual(all, ['+ann', '-ann']);
  assert.deepEqual(await devices(rig, 'ann'), []);
});

test('one that comes too late for its device changes nothing', async () => {
  const rig = new Rig();
  const first = rig.connect();
  first.send({ t: 'hello', token: 'dev:ann', device: 'd1', attempt: 5 });
  await rig.settle();
  const all = heard(rig);
  const late = rig.connect();
  late.send({ t: 'hello', token: 'dev:ann', device: 'd1', attempt: 4 });
  await rig.settle();
  assert.equal(late.closeCode(), 4102);
  assert.deepEqual(all, []);
  assert.deepEqual(await devices(rig, 'ann'), ['d1']);
});

test('an edge that drains tells of all departures; one that has stopped says nothing more', async () => {
  const rig = new Rig();
  const clients = [await rig.join('ann'), await rig.join('bob', 'd1'), await rig.join('bob', 'd2')];
  const all = heard(rig);
  const draining = rig.edge.drain(100);
  await rig.system.advance(200);
  await draining;
  assert.ok(clients.every((client) => client.closeCode() === 4000));
  assert.deepEqual(all, ['-ann', '-bob']);
  assert.deepEqual(await devices(rig, 'bob'), []);

  const other = new Rig();
  const client = await other.join('ann');
  const none = heard(other);
  other.edge.stop();
  client.socket.hangUp(1001);
  assert.deepEqual(none, []);
});

test('presence is told again while a device is connected, all over the interval', async () => {
  const rig = new Rig();
  const clients = [];
  for (let i = 0; i < 600; i++) clients.push(await rig.join(`u${i}`, 'phone'));
  const reports: string[] = [];
  const online = rig.presence.online.bind(rig.presence);
  rig.presence.online = (user, device, edge) => {
    reports.push(user);
    online(user, device, edge);
  };
  let most = 0;
  for (let ms = 0; ms < 4 * PRESENCE_REFRESH_MS; ms += 100) {
    const before = reports.length;
    await rig.system.advance(100);
    most = Math.max(most, reports.length - before);
    if (ms % 10_000 === 0) for (const client of clients) rig.edge.handlers.alive(client.session);
  }
  assert.ok(most <= 2, `${most} in a tenth of a second`);
  for (const user of ['u0', 'u299', 'u599']) {
    assert.deepEqual(await devices(rig, user), ['phone']);
    const times = reports.filter((each) => each === user).length;
    assert.ok(times >= 3 && times <= 5, `${user}: ${times}`);
  }
});

test('beyond the bound the rounds take longer, and no one is left out', async () => {
  const rig = new Rig({ bounds: { presenceReportsPerTickMax: 1 } });
  const clients = [];
  for (let i = 0; i < 500; i++) clients.push(await rig.join(`u${i}`, 'phone'));
  rig.presence.flush(); // what was told is lost
  for (let s = 0; s < 55; s++) {
    if (s === 20) clients[400]?.socket.hangUp(1000);
    if (s === 25) await rig.join('late', 'phone');
    for (const client of clients) rig.edge.handlers.alive(client.session);
    await rig.system.advance(1_000);
  }
  for (let i = 0; i < 500; i++) assert.deepEqual(await devices(rig, `u${i}`), i === 400 ? [] : ['phone']);
  assert.deepEqual(await devices(rig, 'late'), ['phone']);
});
