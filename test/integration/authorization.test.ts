import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { CLIENT_FRAMES, type ClientFrame } from '../../src/protocol/frames.ts';
import { FrameClient, startStack } from './edge-stack.ts';

/** Who asks: `gone` was removed, `none` never was a member. */
const ROLES = ['owner', 'admin', 'member', 'gone', 'none'] as const;
type Role = (typeof ROLES)[number];

/** What it comes to for each: the answer's name, an error's code, or `-` for no answer at all. */
type Expected = readonly [owner: string, admin: string, member: string, gone: string, none: string];

interface Case {
  readonly what: string;
  readonly frame: (conv: string, id: number) => ClientFrame;
  readonly expected: Expected;
}

const all = (answer: string): Expected => [answer, answer, answer, answer, answer];
const members = (answer: string): Expected => [answer, answer, answer, 'not_member', 'not_member'];
const cmid = (): string => randomUUID();

/** Of each group: own, adm and mem, whose roles their names tell; vic, a member; gone, who was removed; zoe, never one. */
const CASES: { readonly [T in ClientFrame['t']]: readonly Case[] } = {
  // What concerns the connection alone is the same for everyone.
  hello: [
    {
      what: 'again',
      frame: () => ({ t: 'hello', token: 'dev:own', device: 'd1' }),
      expected: all('closed 4103'),
    },
  ],
  ping: [{ what: '', frame: (_, id) => ({ t: 'ping', id }), expected: all('pong') }],
  auth: [
    {
      what: 'as another user',
      frame: (_, id) => ({ t: 'auth', id, token: 'dev:somebody' }),
      expected: all('forbidden'),
    },
  ],
  conversations: [
    { what: '', frame: (_, id) => ({ t: 'conversations', id }), expected: all('conversations') },
  ],
  create: [
    {
      what: 'of the id that exists',
      frame: (conv, id) => ({ t: 'create', id, kind: 'group', conv, members: ['adm', 'mem', 'vic', 'gone'] }),
      expected: ['created', 'conflict', 'conflict', 'conflict', 'conflict'],
    },
  ],
  send: [
    {
      what: '',
      frame: (conv, id) => ({ t: 'send', id, conv, cmid: cmid(), body: 'hi' }),
      expected: members('ack'),
    },
    {
      what: 'a retry',
      frame: (conv, id) => ({ t: 'send', id, conv, cmid: cmid(), body: 'hi', retry: true }),
      expected: members('ack'),
    },
    {
      what: 'an event of the server’s own',
      frame: (conv, id) => ({ t: 'send', id, conv, cmid: cmid(), body: '{}', kind: 'sys.members' }),
      expected: all('invalid'),
    },
  ],
  history: [
    { what: 'the newest', frame: (conv, id) => ({ t: 'history', id, conv }), expected: members('page') },
    {
      what: 'of before the joining',
      frame: (conv, id) => ({ t: 'history', id, conv, after: 0, limit: 1 }),
      expected: members('page'),
    },
  ],
  members: [
    { what: 'list', frame: (conv, id) => ({ t: 'members', id, conv }), expected: members('ok') },
    {
      what: 'add',
      frame: (conv, id) => ({ t: 'members', id, conv, add: ['new'] }),
      expected: ['ok', 'ok', 'forbidden', 'not_member', 'not_member'],
    },
    {
      what: 'remove a member',
      frame: (conv, id) => ({ t: 'members', id, conv, remove: ['vic'] }),
      expected: ['ok', 'ok', 'forbidden', 'not_member', 'not_member'],
    },
    {
      what: 'remove an admin',
      frame: (conv, id) => ({ t: 'members', id, conv, remove: ['adm2'] }),
      expected: ['ok', 'forbidden', 'forbidden', 'not_member', 'not_member'],
    },
    {
      what: 'remove an owner',
      frame: (conv, id) => ({ t: 'members', id, conv, remove: ['own2'] }),
      expected: ['ok', 'forbidden', 'forbidden', 'not_member', 'not_member'],
    },
    {
      what: 'give a role',
      frame: (conv, id) => ({ t: 'members', id, conv, role: [['vic', 'admin']] }),
      expected: ['ok', 'forbidden', 'forbidden', 'not_member', 'not_member'],
    },
    {
      what: 'leave',
      frame: (conv, id) => ({ t: 'members', id, conv, leave: true }),
      expected: members('ok'),
    },
  ],
  read: [{ what: '', frame: (conv) => ({ t: 'read', conv, seq: 1 }), expected: members('-') }],
  typing: [{ what: '', frame: (conv) => ({ t: 'typing', conv, on: true }), expected: members('-') }],
  delivered: [{ what: '', frame: (conv) => ({ t: 'delivered', conv, seq: 1 }), expected: members('-') }],
  prefs: [
    {
      what: '',
      frame: (conv, id) => ({ t: 'prefs', id, conv, pin: true }),
      expected: members('ok'),
    },
    {
      what: 'of all conversations',
      frame: (_, id) => ({ t: 'prefs', id, presence: 'everyone' }),
      expected: all('ok'),
    },
  ],
  // Who may see what of whom they watch is no matter of roles: test/unit/edge/watches.test.ts.
  watch: [{ what: '', frame: (_, id) => ({ t: 'watch', id, users: ['vic'] }), expected: all('ok') }],
  unwatch: [{ what: '', frame: (_, id) => ({ t: 'unwatch', id, users: ['vic'] }), expected: all('ok') }],
  receipts: [
    { what: 'of all', frame: (conv, id) => ({ t: 'receipts', id, conv }), expected: members('receipts') },
    {
      what: 'of one message',
      frame: (conv, id) => ({ t: 'receipts', id, conv, seq: 1 }),
      expected: members('receipts'),
    },
  ],
};

const USER: Record<Role, string> = { owner: 'own', admin: 'adm', member: 'mem', gone: 'gone', none: 'zoe' };

async function group(url: string): Promise<string> {
  const own = await FrameClient.join(url, 'own', 'json', randomUUID());
  const conv = randomUUID();
  const others = ['adm', 'mem', 'vic', 'gone'];
  let id = 1;
  const change = async (frame: object): Promise<void> => {
    const answer = await own.ask({ t: 'members', id: ++id, conv, ...frame } as ClientFrame & { id: number });
    assert.equal(answer.t, 'ok');
  };
  assert.equal((await own.ask({ t: 'create', id: 1, kind: 'group', conv, members: others })).t, 'created');
  await change({ add: ['adm2', 'own2'] });
  await change({
    role: [
      ['adm', 'admin'],
      ['adm2', 'admin'],
      ['own2', 'owner'],
    ],
  });
  await change({ remove: ['gone'] });
  own.socket.close();
  return conv;
}

/** What the frame comes to. A frame without id is followed by one that comes behind it. */
async function outcome(client: FrameClient, frame: ClientFrame, conv: string): Promise<string> {
  client.send(frame);
  if (!('id' in frame)) client.send({ t: 'history', id: 99, conv });
  const id = 'id' in frame ? frame.id : 99;
  const answer = (): (typeof client.frames)[number] | undefined =>
    client.frames.find((each) => 'id' in each && each.id === id);
  await client.until('an outcome', () => client.closeCode !== undefined || answer() !== undefined);
  if (client.closeCode !== undefined) return `closed ${client.closeCode}`;
  const told =
    'id' in frame ? answer() : client.frames.find((each) => each.t === 'error' && each.re === frame.t);
  if (told === undefined) return '-';
  return told.t === 'error' ? told.code : told.t;
}

test('S3.8: every frame of every role has the answer that is expected', { timeout: 120_000 }, async (t) => {
  assert.deepEqual(Object.keys(CASES).sort(), Object.keys(CLIENT_FRAMES).sort(), 'each frame has its cases');
  const stack = await startStack('ws');
  t.after(() => stack.close());
  for (const t_ of Object.keys(CLIENT_FRAMES) as ClientFrame['t'][])
    for (const { what, frame, expected } of CASES[t_]) {
      const got: string[] = [];
      for (const role of ROLES) {
        const conv = await group(stack.url);
        const client = await FrameClient.join(stack.url, USER[role], 'json', randomUUID());
        got.push(await outcome(client, frame(conv, 7), conv));
        client.socket.close();
      }
      assert.deepEqual(got, expected, `${t_} ${what}: ${ROLES.join(', ')}`);
    }
  assert.deepEqual(stack.errors, []);
});

test('S3.17: every frame about a conversation that does not exist is not_found', async (t) => {
  const stack = await startStack('ws');
  t.after(() => stack.close());
  const ABOUT_NONE: readonly string[] = [
    'hello',
    'ping',
    'auth',
    'conversations',
    'create',
    'watch',
    'unwatch',
  ];
  for (const t_ of Object.keys(CLIENT_FRAMES) as ClientFrame['t'][]) {
    if (ABOUT_NONE.includes(t_)) continue;
    const client = await FrameClient.join(stack.url, 'own', 'binary', randomUUID());
    const conv = randomUUID();
    const [first] = CASES[t_] as readonly [Case];
    assert.equal(await outcome(client, first.frame(conv, 7), conv), 'not_found', t_);
    client.socket.close();
  }
});
