import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Entry } from '../../../src/core/entry.ts';
import { CLOSES, ERRORS } from '../../../src/core/errors.ts';
import type { Logger, OwnerLink } from '../../../src/core/ports.ts';
import type {
  Answer,
  Audience,
  NodeRequest,
  MessageDelivery,
  SendRequest,
} from '../../../src/core/requests.ts';
import { MemoryPresence } from '../../../src/adapters/memory/presence.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { Authenticator, Verdict } from '../../../src/edge/auth/authenticator.ts';
import type { EdgeBounds } from '../../../src/edge/bounds.ts';
import type { EdgeMetrics } from '../../../src/edge/edge-metrics.ts';
import { createEdge, type Edge, type EdgeSettings } from '../../../src/edge/edge.ts';
import type { Session } from '../../../src/edge/session.ts';
import type { Subprotocol } from '../../../src/edge/socket.ts';
import { encodeClient } from '../../../src/protocol/client-codec.ts';
import type { ClientFrame, ServerFrame } from '../../../src/protocol/frames.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { type FakeSocket, FakeSockets } from './fake-sockets.ts';

export const EDGE = 'edge-1';

type Frame<T extends ServerFrame['t']> = Extract<ServerFrame, { t: T }>;

/** Keeps what the edge asks; the test answers. */
export class ScriptedOwners implements OwnerLink {
  readonly requests: NodeRequest[] = [];
  readonly announced: string[] = [];
  readonly watched: string[] = [];
  onAnnounce: (user: string) => void = () => undefined;
  onDepart: (user: string) => void = () => undefined;
  onSubmit: (request: NodeRequest) => void = () => undefined;

  submit(request: NodeRequest): void {
    this.requests.push(request);
    this.onSubmit(request);
  }
  announce(user: string): void {
    this.announced.push(user);
    this.onAnnounce(user);
  }
  depart(user: string): void {
    this.onDepart(user);
  }
  watch(user: string): void {
    this.watched.push(`watch ${user}`);
  }
  unwatch(user: string): void {
    this.watched.push(`unwatch ${user}`);
  }
  get sends(): SendRequest[] {
    return this.requests.filter((request) => request.t === 'send');
  }
}

/** `dev:<user>`, `dev:<user>@<expiresAt>`, `slow:<user>` (a promise), `away:` (keys not to be had). */
const authenticator: Authenticator = {
  verify(token) {
    const [kind = '', rest = ''] = token.split(':');
    const [user = '', expiry] = rest.split('@');
    if (kind === 'away') return { ok: false, code: 'unavailable', message: 'the keys are away' };
    if (kind !== 'dev' && kind !== 'slow')
      return { ok: false, code: 'unauthenticated', message: 'token: it is forged' };
    const verdict: Verdict = { ok: true, user, expiresAt: expiry === undefined ? undefined : Number(expiry) };
    return kind === 'slow' ? Promise.resolve(verdict) : verdict;
  },
};

export class Client {
  readonly socket: FakeSocket<Session>;
  readonly #rig: Rig;
  #id = 0;

  constructor(rig: Rig, socket: FakeSocket<Session>) {
    this.#rig = rig;
    this.socket = socket;
  }

  get session(): Session {
    return this.socket.data;
  }
  get received(): ServerFrame[] {
    return this.socket.received;
  }
  send(frame: ClientFrame): void {
    const data = encodeClient(frame, this.socket.subprotocol);
    this.raw(typeof data === 'string' ? Buffer.from(data) : data, typeof data !== 'string');
  }
  raw(bytes: Uint8Array, isBinary: boolean): void {
    if (this.socket.closed === undefined) this.#rig.edge.handlers.message(this.session, bytes, isBinary);
  }
  /** The code that the socket was closed with; undefined: it is open. */
  closeCode(): number | undefined {
    return this.socket.closed?.code;
  }
  /** A send with the next id; its cmid is made up. */
  say(conv: string, body = 'hi', retry?: boolean): number {
    const id = ++this.#id;
    this.send({ t: 'send', id, conv, cmid: randomUUID(), body, retry });
    return id;
  }
  all<T extends ServerFrame['t']>(t: T): Frame<T>[] {
    return this.received.filter((frame): frame is Frame<T> => frame.t === t);
  }
  answerTo(id: number): ServerFrame[] {
    return this.received.filter((frame) => 'id' in frame && frame.id === id);
  }
  clear(): void {
    this.received.length = 0;
    this.socket.writes = 0;
  }
}

export interface RigOptions {
  readonly settings?: Partial<EdgeSettings>;
  readonly bounds?: Partial<EdgeBounds>;
  readonly seed?: number;
}

export class Rig {
  readonly system: VirtualSystem;
  readonly owners = new ScriptedOwners();
  readonly store: MemoryStore;
  readonly presence: MemoryPresence;
  readonly metrics: EdgeMetrics;
  readonly edge: Edge;
  readonly sockets: FakeSockets<Session>;
  readonly logged: { readonly level: string; readonly message: string }[] = [];

  constructor(options: RigOptions = {}) {
    this.system = new VirtualSystem(options.seed);
    this.store = new MemoryStore(this.system);
    this.presence = new MemoryPresence(this.system);
    this.metrics = newMetrics();
    const log = (level: string) => (_: object, message: string) => void this.logged.push({ level, message });
    const logger: Logger = { info: log('info'), warn: log('warn'), error: log('error') };
    this.edge = createEdge({
      id: EDGE,
      system: this.system,
      logger,
      metrics: this.metrics,
      messages: this.store,
      projections: this.store,
      presence: this.presence,
      authenticator,
      settings: { sendsPerSecond: 1_000, burst: 2_000, reconnectSpreadMs: 5_000, ...options.settings },
      ...(options.bounds && { bounds: options.bounds }),
    });
    this.edge.useOwners(this.owners);
    this.sockets = new FakeSockets(this.system, this.edge.handlers);
    this.edge.usePublisher(this.sockets);
  }

  connect(subprotocol: Subprotocol = 'binary'): Client {
    return new Client(this, this.sockets.open(subprotocol));
  }

  /** Connected, welcomed, with what it received forgotten. */
  async join(user: string, device = 'd1', subprotocol: Subprotocol = 'binary'): Promise<Client> {
    const client = this.connect(subprotocol);
    client.send({ t: 'hello', token: `dev:${user}`, device });
    await this.settle();
    client.clear();
    return client;
  }

  settle(): Promise<void> {
    return this.system.settle();
  }

  answer(request: NodeRequest, answer: Answer): void {
    this.edge.answer(request, answer);
  }

  ack(request: NodeRequest, seq: number): void {
    this.edge.answer(request, { t: 'ack', seq, ts: 1, duplicate: false });
  }

  /** An event of the conversation to its audience; `from` is a client who sent it. */
  event(audience: Audience, seq: number, from?: Client, bodyBytes = 2): void {
    this.edge.deliver(messageDelivery(audience, seq, from?.session, bodyBytes));
  }

  async inbox(user: string, entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      const row = { user, entry, readN: entry.n - entry.unread };
      const write = { conv: entry.conv, fence: 1, conversation: undefined, members: [], inbox: [row] };
      await this.store.write([write]);
    }
  }
}

export function messageDelivery(
  audience: Audience,
  seq: number,
  sender: Session | undefined,
  bodyBytes = 2,
): MessageDelivery {
  const frame = encodeMessage({
    conv: audience.conv,
    seq,
    n: seq,
    ts: seq,
    from: sender?.user ?? 'someone',
    device: 'd1',
    cmid: randomUUID(),
    kind: 'text',
    body: new Uint8Array(bodyBytes).fill(120),
    text: true,
  });
  return {
    t: 'message',
    conv: audience.conv,
    seq,
    n: seq,
    frame,
    audience,
    exceptEdge: sender === undefined ? '' : EDGE,
    exceptSession: sender?.number ?? 0,
  };
}

export function audience(conv: string, users: readonly string[], version = 1): Audience {
  return { conv, users, version };
}

export function entryOf(conv: string, fields: Partial<Entry> = {}): Entry {
  return {
    conv,
    kind: 'group',
    title: undefined,
    peer: undefined,
    role: 'member',
    removed: undefined,
    head: 1,
    n: 1,
    ts: 1_000,
    read: 0,
    unread: 1,
    preview: undefined,
    ...fields,
  };
}

/** The `i`th of a row of conversation ids. */
export function convId(i: number): string {
  return `00000000-0000-4000-8000-${i.toString(16).padStart(12, '0')}`;
}

function newMetrics(): EdgeMetrics {
  const zeros = <K extends string>(table: Record<K, unknown>): Record<K, number> =>
    Object.fromEntries(Object.keys(table).map((key) => [key, 0])) as Record<K, number>;
  return {
    counts: { framesIn: 0, framesOut: 0, sendsAcked: 0, deliveries: 0 },
    gauges: { connections: 0, sessions: 0, pullSockets: 0 },
    errors: zeros(ERRORS),
    closes: zeros(CLOSES),
  };
}
