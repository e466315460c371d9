import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import { bytesOf, join, RawPeer, refusal, serve, until } from './socket-server.harness.ts';

for (const library of ['uws', 'ws'] as const) {
  const title = (text: string): string => `socket server (${library}): ${text}`;

  test(title('the binary subprotocol sends and receives binary messages'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    assert.equal(client.ws.protocol, 'carillon.v1');
    assert.equal(peer.socket.subprotocol, 'binary');
    assert.equal(peer.socket.remoteAddress, '127.0.0.1');
    client.ws.send(bytesOf('ping me'));
    client.ws.send('a text');
    await until('both messages', () => peer.events.length === 2);
    assert.deepEqual(peer.events, ['message binary ping me', 'message text a text']);
    assert.equal(peer.socket.send(bytesOf('pong')), 'sent');
    await until('the answer', () => client.got.length === 1);
    assert.deepEqual([client.got, client.binary], [['pong'], [true]]);
    client.ws.close(1000);
    await until('closed', () => peer.count('closed') === 1);
    assert.equal(peer.events.at(-1), 'closed 1000');
    assert.equal(peer.socket.send(bytesOf('late')), 'dropped');
    assert.equal(peer.socket.bufferedBytes(), 0);
  });

  test(title('the json subprotocol, and none asked, send text'), async (t) => {
    const fixture = await serve(library, t);
    for (const [protocols, named] of [
      [['carillon.v1.json'], 'carillon.v1.json'],
      [[], ''],
      [['soap', 'carillon.v1.json', 'carillon.v1'], 'carillon.v1.json'],
    ] as const) {
      const [client, peer] = await join(fixture, [...protocols]);
      assert.equal(client.ws.protocol, named);
      assert.equal(peer.socket.subprotocol, 'json');
      peer.socket.send(bytesOf('{}'));
      await until('the message', () => client.got.length === 1);
      assert.deepEqual(client.binary, [false]);
    }
  });

  test(title('only unknown subprotocols: 400 that names the known ones'), async (t) => {
    const fixture = await serve(library, t);
    const { status, body } = await refusal(fixture.url, ['soap', 'mqtt']);
    assert.equal(status, 400);
    assert.match(body, /Sec-WebSocket-Protocol: soap, ?mqtt .*carillon\.v1, carillon\.v1\.json/);
    assert.equal(fixture.peers.length, 0);
  });

  test(title('admit can refuse an upgrade; one that throws answers 500'), async (t) => {
    let broken = false;
    const fixture = await serve(library, t, {
      admit: (request) => {
        if (broken) throw new Error('admit is broken');
        assert.equal(request.path, '/v1/connect');
        assert.equal(request.header('HOST'), new URL(fixture.url).host);
        return { status: 503, headers: { 'retry-after': '3' }, body: 'draining' };
      },
    });
    assert.deepEqual(await refusal(fixture.url), { status: 503, retryAfter: '3', body: 'draining' });
    broken = true;
    assert.equal((await refusal(fixture.url)).status, 500);
    assert.match(fixture.logged[0]?.message ?? '', /threw/);
    assert.equal(fixture.peers.length, 0);
  });

  test(title('an upgrade elsewhere is answered by the HTTP handler'), async (t) => {
    const fixture = await serve(library, t);
    const { status, body } = await refusal(fixture.url.replace('/v1/connect', '/v2/connect'));
    assert.deepEqual([status, body], [404, 'nothing here']);
  });

  test(title('publishes and own sends reach a socket in the order of the calls'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    peer.socket.subscribe('room');
    const buffer = Buffer.alloc(8);
    const write = (i: number): void => {
      buffer.write(String(i).padStart(8, '0'));
      if (i % 3 === 0) peer.socket.send(buffer);
      else fixture.server.publish('room', buffer, 'binary');
    };
    for (let i = 0; i < 200; i++) write(i);
    peer.socket.cork(() => {
      for (let i = 200; i < 300; i++) write(i);
    });
    await until('300 messages', () => client.got.length === 300);
    assert.deepEqual(
      client.got.map(Number),
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  test(title('a large publish keeps the order too'), async (t) => {
    const fixture = await serve(library, t, { bufferedBytesMax: 4 << 20 });
    const [client, peer] = await join(fixture);
    peer.socket.subscribe('room');
    fixture.server.publish('room', bytesOf('small'), 'binary');
    fixture.server.publish('room', Buffer.alloc(100_000, 'L'), 'binary');
    peer.socket.send(Buffer.alloc(40_000, 'o'));
    fixture.server.publish('room', bytesOf('last'), 'binary');
    await until('four messages', () => client.got.length === 4);
    assert.deepEqual(
      client.got.map((text) => `${text[0]}${text.length}`),
      ['s5', 'L100000', 'o40000', 'l4'],
    );
  });

  test(
    title("a socket's publish reaches all other subscribers of its subprotocol, never itself"),
    async (t) => {
      const fixture = await serve(library, t);
      const [a, peerA] = await join(fixture);
      const [b, peerB] = await join(fixture);
      const [j, peerJ] = await join(fixture, ['carillon.v1.json']);
      for (const peer of [peerA, peerB, peerJ]) peer.socket.subscribe('room');
      peerA.socket.publish('room', bytesOf('from a'));
      fixture.server.publish('room', bytesOf('{"json":1}'), 'json');
      fixture.server.publish('room', bytesOf('all'), 'binary');
      fixture.server.publish('empty', bytesOf('nobody'), 'binary');
      await until('all have theirs', () => a.got.length === 1 && b.got.length === 2 && j.got.length === 1);
      assert.deepEqual([a.got, b.got, j.got], [['all'], ['from a', 'all'], ['{"json":1}']]);

      peerB.socket.unsubscribe('room');
      peerA.socket.publish('room', bytesOf('into the void'));
      peerB.socket.publish('room', bytesOf('from outside'));
      const [c, peerC] = await join(fixture);
      peerC.socket.publish('room', bytesOf('from one who never subscribed'));
      await until('a has the others', () => a.got.length === 3);
      assert.deepEqual(a.got.slice(1), ['from outside', 'from one who never subscribed']);
      assert.deepEqual([b.got.length, c.got.length], [2, 0]);
    },
  );

  test(
    title('a peer that does not read: buffered, dropped, told once, drained; what was taken arrives'),
    async (t) => {
      const fixture = await serve(library, t);
      const raw = await RawPeer.connect(fixture.server.port);
      const peer = fixture.peers[0];
      assert.ok(peer);
      peer.socket.subscribe('room');
      const chunk = Buffer.alloc(8192);
      const results = new Set<string>();
      let taken = 0;
      for (; ; taken++) {
        chunk.writeUInt32BE(taken, 0);
        const result = peer.socket.send(chunk);
        results.add(result);
        if (result === 'dropped') break;
        assert.ok(taken < 10_000, 'a bound must be reached');
      }
      assert.deepEqual([...results], ['sent', 'buffered', 'dropped']);
      assert.ok(
        peer.socket.bufferedBytes() <= 64 * 1024 + chunk.length + 16,
        `${peer.socket.bufferedBytes()} bytes`,
      );
      peer.onDropped = () => peer.socket.unsubscribe('room');
      assert.deepEqual(peer.events, [], 'an own send is no loss of a publish');
      for (let i = 0; i < 100; i++) fixture.server.publish('room', bytesOf(`lost ${i}`), 'binary');
      assert.deepEqual(peer.events, [], 'not told inside publish');
      await until('the loss is told', () => peer.count('dropped') === 1);
      peer.socket.ping();
      raw.read();
      await until('the drain', () => peer.count('drain') === 1);
      assert.deepEqual(peer.events, ['dropped', 'drain']);
      assert.equal(peer.socket.bufferedBytes(), 0);
      assert.equal(peer.socket.send(bytesOf('afterwards')), 'sent');
      await until('all that was taken', () => raw.frames().length >= taken + 1);
      const frames = raw.frames();
      assert.equal(frames.pop()?.toString(), 'afterwards');
      assert.deepEqual(
        frames.map((frame) => frame.readUInt32BE(0)),
        Array.from({ length: taken }, (_, i) => i),
      );
      raw.tcp.destroy();
      await until('closed', () => peer.count('closed') === 1);
    },
  );

  test(title('a loss is told before the drain even if the peer reads at once'), async (t) => {
    const fixture = await serve(library, t);
    const raw = await RawPeer.connect(fixture.server.port);
    const peer = fixture.peers[0];
    assert.ok(peer);
    peer.socket.subscribe('room');
    while (peer.socket.send(Buffer.alloc(8192)) === 'sent');
    while (peer.socket.bufferedBytes() <= 64 * 1024)
      fixture.server.publish('room', Buffer.alloc(30_000), 'binary');
    fixture.server.publish('room', Buffer.alloc(30_000), 'binary');
    raw.read();
    await until('the drain', () => peer.count('drain') === 1);
    assert.deepEqual(peer.events, ['dropped', 'drain']);
    raw.tcp.destroy();
  });

  test(title('end on a socket over its bound hangs up at once'), async (t) => {
    const fixture = await serve(library, t);
    const raw = await RawPeer.connect(fixture.server.port);
    const peer = fixture.peers[0];
    assert.ok(peer);
    while (peer.socket.send(Buffer.alloc(8192)) !== 'dropped');
    peer.socket.end(4001, 'slow_consumer');
    assert.deepEqual(peer.events, ['closed 1006']);
    raw.read();
    await until('the connection is gone', () => raw.ended);
  });

  test(title('an over-size message costs its sender the connection, nobody else'), async (t) => {
    const fixture = await serve(library, t);
    const [big, bigPeer] = await join(fixture);
    const [other, otherPeer] = await join(fixture);
    big.ws.send(Buffer.alloc(128 * 1024));
    await until('the largest is taken', () => bigPeer.count('message') === 1);
    big.ws.send(Buffer.alloc(128 * 1024 + 1));
    await until('both see the end', () => big.closedWith !== undefined && bigPeer.count('closed') === 1);
    assert.equal(bigPeer.count('message'), 1);
    other.ws.send(bytesOf('still here'));
    await until('the other goes on', () => otherPeer.count('message') === 1);
  });

  test(title('pings both ways show life'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    let pings = 0;
    client.ws.on('ping', () => pings++);
    peer.socket.ping();
    await until('the pong', () => peer.count('alive') === 1);
    assert.equal(pings, 1);
    client.ws.ping('x');
    const [data] = (await once(client.ws, 'pong')) as [Buffer];
    assert.equal(data.toString(), 'x');
    assert.equal(peer.count('alive'), 2);
  });

  test(title('end: what was sent comes first, then code and reason; closed once and at once'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    peer.socket.send(bytesOf('bye'));
    peer.socket.end(4000, 'draining');
    assert.deepEqual(peer.events, ['closed 4000']);
    peer.socket.end(4002, 'internal');
    await until('the close frame', () => client.closedWith !== undefined);
    assert.deepEqual(client.closedWith, { code: 4000, reason: 'draining' });
    assert.deepEqual(client.got, ['bye']);
    assert.deepEqual(peer.events, ['closed 4000']);
  });

  test(title('end within a cork, within a message and within open'), async (t) => {
    let refuse = false;
    const fixture = await serve(library, t, { onOpen: (peer) => refuse && peer.socket.end(4104, 'banned') });
    const [corked, corkedPeer] = await join(fixture);
    corkedPeer.socket.cork(() => {
      corkedPeer.socket.send(bytesOf('bye'));
      corkedPeer.socket.end(4000, 'draining');
      assert.equal(corkedPeer.socket.send(bytesOf('too late')), 'dropped');
    });
    assert.deepEqual(corkedPeer.events, ['closed 4000']);
    const [talking, talkingPeer] = await join(fixture);
    talkingPeer.onMessage = () => {
      talkingPeer.socket.send(bytesOf('bye'));
      talkingPeer.socket.end(4100, 'bad_frame');
    };
    talking.ws.send('one');
    talking.ws.send('two');
    refuse = true;
    const [banned, bannedPeer] = await join(fixture);
    await until('all closed', () =>
      [corked, talking, banned].every((client) => client.closedWith !== undefined),
    );
    assert.deepEqual(
      [corked.closedWith?.code, talking.closedWith?.code, banned.closedWith?.code],
      [4000, 4100, 4104],
    );
    assert.deepEqual([corked.got, talking.got], [['bye'], ['bye']]);
    assert.deepEqual(talkingPeer.events, ['message text one', 'closed 4100']);
    assert.deepEqual(bannedPeer.events, ['closed 4104']);
  });

  test(title('terminate hangs up without a close frame'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    peer.socket.terminate();
    assert.deepEqual(peer.events, ['closed 1006']);
    await until('the client sees it', () => client.closedWith !== undefined);
    assert.equal(client.closedWith?.code, 1006);
  });

  test(title('a handler that throws costs its own socket and is logged'), async (t) => {
    let breakOpen = false;
    const fixture = await serve(library, t, {
      onOpen: () => {
        if (breakOpen) throw new Error('open is broken');
      },
    });
    const [bad, badPeer] = await join(fixture);
    const [good, goodPeer] = await join(fixture);
    badPeer.onMessage = () => {
      throw new Error('message is broken');
    };
    bad.ws.send('x');
    await until('closed', () => bad.closedWith !== undefined);
    assert.deepEqual(bad.closedWith, { code: 4002, reason: 'internal' });
    assert.equal(badPeer.events.at(-1), 'closed 4002');
    breakOpen = true;
    const [unopened, unopenedPeer] = await join(fixture);
    await until('closed', () => unopened.closedWith !== undefined);
    assert.equal(unopened.closedWith?.code, 4002);
    assert.deepEqual(unopenedPeer.events, []);
    assert.deepEqual(
      fixture.logged.map(({ fields }) => (fields as { handler: string }).handler),
      ['message', 'open'],
    );
    good.ws.send('still here');
    await until('the other goes on', () => goodPeer.count('message') === 1);
  });

  test(title('all sends of a cork, and what is published in one turn, leave in one write'), async (t) => {
    const fixture = await serve(library, t);
    const raw = await RawPeer.connect(fixture.server.port);
    const peer = fixture.peers[0];
    assert.ok(peer);
    raw.read();
    peer.socket.subscribe('room');
    peer.socket.cork(() => {
      for (let i = 0; i < 50; i++) peer.socket.send(bytesOf(`corked ${i}`));
    });
    await until('50 frames', () => raw.frames().length === 50);
    assert.equal(raw.chunks.length, 1);
    for (let i = 0; i < 30; i++) fixture.server.publish('room', bytesOf(`published ${i}`), 'binary');
    await until('80 frames', () => raw.frames().length === 80);
    assert.equal(raw.chunks.length, 2);
    raw.tcp.destroy();
  });

  test(title('a cork may hold more than the bound while the peer reads'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    const results: string[] = [];
    peer.socket.cork(() => {
      for (let i = 0; i < 10; i++) results.push(peer.socket.send(Buffer.alloc(20_000)));
    });
    await until('all ten', () => client.got.length === 10);
    assert.ok(!results.includes('dropped'), results.join());
  });

  test(title('X-Forwarded-For counts only behind a trusted proxy'), async (t) => {
    const headers = { 'x-forwarded-for': '6.6.6.6, 2001:DB8:0:0::7' };
    const [, direct] = await join(await serve(library, t), [], headers);
    assert.equal(direct.socket.remoteAddress, '127.0.0.1');
    const [, proxied] = await join(await serve(library, t, { trustProxy: true }), [], headers);
    assert.equal(proxied.socket.remoteAddress, '2001:db8::7');
  });

  test(title('stopListening keeps what is open; close frees the port'), async (t) => {
    const fixture = await serve(library, t);
    const [client, peer] = await join(fixture);
    fixture.server.stopListening();
    const late = connect(fixture.server.port, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    client.ws.send('still here');
    await until('the open one goes on', () => peer.count('message') === 1);
    await fixture.server.close();
    assert.equal(peer.events.at(-1), 'closed 1006');
    await until('the client sees it', () => client.closedWith !== undefined);
    const again = await serve(library, t, { port: fixture.server.port });
    assert.equal(again.server.port, fixture.server.port);
    await assert.rejects(
      serve(library, t, { port: fixture.server.port }),
      new RegExp(`cannot listen on 127\\.0\\.0\\.1:${fixture.server.port}: it is in use`),
    );
  });
}
