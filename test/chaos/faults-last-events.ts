import { FRAME } from '../../cluster/peer/frame.ts';
import { DATA, PACKET_HEADER_BYTES } from '../../cluster/peer/packet.ts';
import type { Client } from '../../src/client/index.ts';
import { connect } from '../../src/client/node.ts';
import { readU32 } from '../../src/protocol/message-frame.ts';
import { sleep, until } from '../support/server-process.ts';
import type { FaultContext } from './faults.ts';
import { BEACON_MS, comeToRest, GIVE_UP_MS, LATE_MS, proxyOf } from './faults-last.ts';

/** Between two losses: the next may fall anywhere between two beacons. */
const QUIET_MS_MIN = 1_200;
/** Of each kind, in times of the seconds that other faults last. */
const SHARE = 1;

/** People for whom something happens while nothing else does. */
interface Cast {
  readonly conv: string;
  /** Ann and Bob's tablet are at one edge, Bob's phone at the other. */
  readonly ann: Client;
  readonly phone: Client;
  readonly tablet: Client;
  /** At Ann's edge. */
  newcomer(user: string): Client;
}

/** One kind of event on its way from an owner to the edge of Bob's phone. */
interface Kind {
  readonly what: string;
  readonly frame: number;
  /** Makes the event; returns what tells that the phone has it. `nth` rises from 1. */
  make(cast: Cast, nth: number): Promise<() => boolean>;
}

const KINDS: readonly Kind[] = [
  {
    what: 'a message that mentions one',
    frame: FRAME.event,
    async make({ conv, ann, phone }) {
      const { seq } = await ann.send(conv, 'you', { mentions: [phone.user] });
      return () =>
        (phone.conversation(conv)?.head ?? 0) >= seq && (phone.conversation(conv)?.mentions ?? 0) > 0;
    },
  },
  {
    what: 'what another has read',
    frame: FRAME.receipt,
    make: (cast) => moveCursor(cast, 2, (seq) => cast.ann.read(cast.conv, seq)),
  },
  {
    what: 'what has reached another',
    frame: FRAME.receipt,
    make: (cast) => moveCursor(cast, 1, (seq) => cast.ann.delivered(cast.conv, seq)),
  },
  {
    what: 'what one has read on another device',
    frame: FRAME.entry,
    async make({ conv, ann, phone, tablet }) {
      const { seq } = await ann.send(conv, 'read me');
      await until('bob has it', GIVE_UP_MS, () =>
        [phone, tablet].every((client) => (client.conversation(conv)?.head ?? 0) >= seq),
      );
      tablet.read(conv, seq);
      return () => (phone.conversation(conv)?.read ?? 0) >= seq;
    },
  },
  {
    what: 'what one has pinned on another device',
    frame: FRAME.entry,
    async make({ conv, phone, tablet }, nth) {
      const pin = nth % 2 === 1;
      void tablet.prefs(conv, { pin });
      return () => (phone.conversation(conv)?.pin ?? false) === pin;
    },
  },
  {
    what: 'what one has set on another device',
    frame: FRAME.settings,
    async make({ phone, tablet }, nth) {
      const presence = nth % 2 === 1 ? 'contacts' : 'everyone';
      void tablet.users.set({ presence });
      return () => phone.users.settings.presence === presence;
    },
  },
  {
    what: 'somebody’s coming online',
    frame: FRAME.state,
    async make({ phone, newcomer }, nth) {
      const user = `late-${nth}`;
      await phone.users.watch([user]);
      await until('she is known to be away', GIVE_UP_MS, () => phone.users.of(user)?.online === false);
      newcomer(user).connect();
      return () => phone.users.of(user)?.online === true;
    },
  },
];

/** Ann says how far she is with a message of Bob's phone. */
async function moveCursor(
  { conv, ann, phone }: Cast,
  which: 1 | 2,
  say: (seq: number) => void,
): Promise<() => boolean> {
  const { seq } = await phone.send(conv, 'for ann');
  const told = toldOf(phone, conv, ann.user, which);
  await until('ann has it', GIVE_UP_MS, () => (ann.conversation(conv)?.head ?? 0) >= seq);
  say(seq);
  return () => told() >= seq;
}

/** The highest cursor of a user that a client was told; 1 delivered, 2 read. */
function toldOf(client: Client, conv: string, user: string, which: 1 | 2): () => number {
  let highest = 0;
  client.on('receipt', (receipt) => {
    for (const item of receipt.conv === conv ? receipt.items : [])
      if (item[0] === user) highest = Math.max(highest, item[which]);
  });
  return () => highest;
}

/**
 * All traffic stops; then one event after another happens on its own, and the bus message that carries it to the edge is
 * lost. Measured from the loss until the device has it.
 */
export async function lastOfEachKind(context: FaultContext): Promise<void> {
  await comeToRest(context);
  const clients: Client[] = [];
  const cast = await gather(context, clients);
  for (const kind of KINDS) await loseSome(context, kind, cast);
  for (const client of clients) client.close();
}

async function gather({ rig }: FaultContext, clients: Client[]): Promise<Cast> {
  const [a, b] = rig.edges;
  const open = (url: string, user: string, device: string): Client => {
    const client = connect({ url, token: `dev:${user}`, device, reportDelivered: false });
    clients.push(client);
    return client;
  };
  const ann = open(a.url, 'last-ann', 'd1');
  const tablet = open(a.url, 'last-bob', 'tablet');
  const phone = open(b.url, 'last-bob', 'phone');
  await Promise.all([ann, tablet, phone].map((client) => client.ready()));
  const conv = await ann.create('group', ['last-bob'], 'the last');
  await until('all know of it', GIVE_UP_MS, () =>
    [ann, tablet, phone].every((client) => client.conversation(conv) !== undefined),
  );
  return { conv, ann, tablet, phone, newcomer: (user) => open(a.url, user, 'd1') };
}

async function loseSome(context: FaultContext, kind: Kind, cast: Cast): Promise<void> {
  const { rig, seconds, note, find, completeAfter } = context;
  const proxy = proxyOf(context, rig.edges[1]);
  const times: number[] = [];
  const end = performance.now() + seconds * SHARE * 1_000;
  for (let nth = 1; nth === 1 || performance.now() < end; nth++) {
    const loss = proxy.dropNext(1, /^e\./, (payload) => carries(payload, kind.frame));
    const isThere = await kind.make(cast, nth);
    await until('it is lost', GIVE_UP_MS, () => loss.dropped > 0);
    const lostAt = performance.now();
    await until('it is there all the same', GIVE_UP_MS, isThere).catch(() => undefined); // judged by its time
    times.push(Math.round(performance.now() - lostAt));
    loss.stop();
    await sleep(QUIET_MS_MIN + Math.random() * BEACON_MS);
  }
  const worst = Math.max(...times);
  note(`${kind.what}, lost as the last ${times.length} times: there after ${worst} ms at worst.`);
  completeAfter(worst);
  if (worst > LATE_MS) find(`${kind.what}: there ${times.join(', ')} ms after its loss`);
}

/** Whether a bus message is a packet with such a frame in it. */
function carries(payload: Uint8Array, frame: number): boolean {
  if (payload[1] !== DATA) return false;
  for (let at = PACKET_HEADER_BYTES; at + 5 <= payload.length; at += 4 + readU32(payload, at))
    if (payload[at + 4] === frame) return true;
  return false;
}
