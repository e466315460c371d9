import type { PrefsChange } from '../../../src/client/api.ts';
import { binaryCodec } from '../../../src/client/binary-codec.ts';
import { Client } from '../../../src/client/client.ts';
import type { Codec } from '../../../src/client/codec.ts';
import { ClientError } from '../../../src/client/errors.ts';
import { jsonCodec } from '../../../src/client/json-codec.ts';
import { memoryStorage } from '../../../src/client/storage.ts';
import type { ClientSystem } from '../../../src/client/system.ts';
import type { Subprotocol } from '../../../src/edge/socket.ts';
import type { ClientFrame, Message, Page, ServerFrame, UserPrefs } from '../../../src/protocol/frames.ts';
import type { VirtualSystem } from '../virtual-system.ts';
import type { Dice } from '../../unit/peer/rough-bus.ts';
import type { History, PrefsSet, SettingsSet } from './history.ts';
import type { SocketNet, Uplink } from './sockets.ts';

/** Refusals that the world's doings explain; all others are findings. */
const EXPECTED = new Set(['not_member', 'forbidden', 'closed', 'timed_out', 'outbox_full', 'not_found']);

export interface DeviceOptions {
  readonly user: string;
  /** Unique over all users. */
  readonly name: string;
  readonly subprotocol: Subprotocol;
  readonly urls: readonly string[];
  readonly system: VirtualSystem;
  readonly dice: Dice;
  readonly net: SocketNet;
  readonly history: History;
  readonly trace: (who: string, what: string) => void;
}

/** A device with the real client, and a note of all that it is told. */
export class Device {
  readonly user: string;
  readonly name: string;
  /** Whom its client was asked to watch. */
  readonly watched = new Set<string>();
  readonly uplink: Uplink = { state: 'up', pipes: new Set() };
  readonly #o: DeviceOptions;
  readonly #storage = memoryStorage();
  #client: Client;
  #life = 0;
  #connection = 0;
  #lastText = 0;
  readonly #nth = new Map<string, number>();
  /** Reads on their way, by request id. */
  readonly #reads = new Map<
    number,
    { readonly frame: ClientFrame & { t: 'history' }; readonly at: number }
  >();

  constructor(options: DeviceOptions) {
    this.user = options.user;
    this.name = options.name;
    this.#o = options;
    this.#client = this.#open();
  }

  get client(): Client {
    return this.#client;
  }

  /** The app is killed and opened again: what it had not got acknowledged is forgotten. */
  restart(): void {
    this.#client.close();
    this.watched.clear();
    this.#client = this.#open();
  }

  say(conv: string, count: number, bodyBytes: number, mentions: readonly string[] | undefined): void {
    for (let i = 0; i < count; i++) this.#send(conv, bodyBytes, mentions);
  }

  history(conv: string, range: { after?: number; before?: number; limit?: number }): void {
    this.#client.history(conv, range).catch((error: unknown) => this.#failed('history', error));
  }

  /** Reads up to so many events before the head that it knows. */
  read(conv: string, back: number): void {
    const head = this.#client.conversation(conv)?.head ?? 0;
    if (head > back) this.#client.read(conv, head - back);
  }

  prefs(conv: string, change: PrefsChange): void {
    const set: PrefsSet = { conv, change, ...this.#asked() };
    this.#o.history.prefs.push(set);
    this.#settle(set, this.#client.prefs(conv, change), `${JSON.stringify(change)} of ${conv}`);
  }

  settings(change: Partial<UserPrefs>): void {
    const set: SettingsSet = { change, ...this.#asked() };
    this.#o.history.settings.push(set);
    this.#settle(set, this.#client.users.set(change), JSON.stringify(change));
  }

  watch(t: 'watch' | 'unwatch', users: readonly string[]): void {
    this.#o.trace(this.name, `${t} ${users.join()}`);
    for (const user of users)
      if (t === 'watch') this.watched.add(user);
      else this.watched.delete(user);
    this.#client.users[t](users).catch((error: unknown) => this.#failed(t, error));
  }

  #asked() {
    const asked = this.#o.system.monotonic();
    return { user: this.user, asked, answered: undefined as number | undefined, isOver: false };
  }

  #settle(set: PrefsSet | SettingsSet, answer: Promise<void>, what: string): void {
    const { system, trace } = this.#o;
    trace(this.name, `sets ${what}`);
    answer.then(
      () => {
        set.answered = system.monotonic();
        set.isOver = true;
        trace(this.name, `has set ${what}`);
      },
      (error: unknown) => {
        set.isOver = true;
        this.#failed('prefs', error);
      },
    );
  }

  /** What it is told of the others' cursors. */
  receipts(conv: string): void {
    const { user, name } = this;
    this.#client.receipts(conv, { limit: 200 }).then(
      ({ items }) => this.#o.history.receipts.push({ user, device: name, conv, items }),
      (error: unknown) => this.#failed('receipts', error),
    );
  }

  create(kind: 'direct' | 'group', members: readonly string[], created: (conv: string) => void): void {
    this.#client.create(kind, members).then(
      (conv) => {
        this.#o.trace(this.name, `created ${conv}`);
        created(conv);
      },
      (error: unknown) => this.#failed('create', error),
    );
  }

  change(conv: string, change: Parameters<Client['changeMembers']>[1]): void {
    this.#client.changeMembers(conv, change).then(
      (seq) => this.#o.trace(this.name, `changed members of ${conv} at ${seq}`),
      (error: unknown) => this.#failed('members', error),
    );
  }

  #send(conv: string, bodyBytes: number, mentions: readonly string[] | undefined): void {
    const { history, system, trace } = this.#o;
    const body = `${this.name} ${++this.#lastText}`.padEnd(bodyBytes, '.');
    const life = this.#life;
    const nth = (this.#nth.get(conv) ?? 0) + 1;
    this.#nth.set(conv, nth);
    this.#client.send(conv, body, { ...(mentions && { mentions }) }).then(
      ({ seq, ts }) => {
        const at = system.monotonic();
        trace(this.name, `acked ${conv} ${seq}: ${body.trimEnd().slice(0, 40)}`);
        history.deviceAcks.push({ at, device: this.name, conv, seq, ts, body, life, nth });
      },
      (error: unknown) => this.#failed('send', error),
    );
  }

  #failed(what: string, error: unknown): void {
    if (!(error instanceof ClientError)) throw error;
    this.#o.trace(this.name, `${what} failed: ${error.code}`);
    if (!EXPECTED.has(error.code) && !error.retryable)
      this.#o.history.errors.push(`${this.name}: ${what} was refused with ${error.code}: ${error.message}`);
  }

  #open(): Client {
    const { user, name, urls, system, dice, net, subprotocol, trace } = this.#o;
    this.#life++;
    this.#nth.clear();
    const client = new Client({
      url: urls,
      token: `dev:${user}`,
      device: name,
      storage: this.#storage,
      system: clientSystem(system, dice),
      codec: this.#listening(subprotocol === 'json' ? jsonCodec : binaryCodec),
      webSocket: net.webSocketOf(this.uplink),
    });
    client.on('conversation', ({ conv, removed }) => {
      if (removed === undefined && client === this.#client) this.#look(client, conv);
    });
    client.on('state', (state) => trace(name, state.is === 'waiting' ? `waits: ${state.reason}` : state.is));
    client.on('error', (error) => this.#failed('the connection', error));
    client.connect();
    return client;
  }

  /** Follows a conversation from its beginning. */
  #look(client: Client, conv: string): void {
    const timeline = client.timeline(conv, { after: 0, whenBehind: 'fetch', messagesMax: 100_000 });
    if (this.#watched.has(timeline)) return;
    this.#watched.add(timeline);
    const { user, name } = this;
    const life = this.#life;
    timeline.on('append', (messages) => {
      for (const { seq, cmid = '', body } of messages)
        this.#o.history.shown.push({ user, device: name, life, conv, seq, cmid, body: String(body) });
    });
  }
  readonly #watched = new WeakSet<object>();

  /** The codec, with a note of what passes. */
  #listening(codec: Codec): Codec {
    return {
      subprotocol: codec.subprotocol,
      encode: (frame) => {
        this.#sends(frame);
        return codec.encode(frame);
      },
      decode: (data) => {
        const frame = codec.decode(data);
        if (frame !== undefined) this.#receives(frame);
        return frame;
      },
    };
  }

  #sends(frame: ClientFrame): void {
    const { system, trace } = this.#o;
    if (frame.t === 'hello') {
      this.#connection++;
      this.#reads.clear();
    } else if (frame.t === 'history') this.#reads.set(frame.id, { frame, at: system.monotonic() });
    else if (frame.t === 'read' || frame.t === 'delivered')
      trace(this.name, `${frame.t} ${frame.conv} ${frame.seq}`);
    else if (frame.t === 'send') trace(this.name, `sends ${frame.conv} ${frame.cmid}`);
  }

  #receives(frame: ServerFrame): void {
    if (frame.t === 'page') this.#page(frame);
    else if (frame.t === 'message' || frame.t === 'head') {
      const { history, system, trace } = this.#o;
      const { t, conv, seq } = frame;
      trace(this.name, `${t} ${conv} ${seq}`);
      const connection = this.#connection;
      history.told.push({
        at: system.monotonic(),
        user: this.user,
        device: this.name,
        connection,
        t,
        conv,
        seq,
      });
    } else if (frame.t === 'conversation') {
      const { conv, head, read, unread, mute = 0, pin = false, archive = false, set } = frame;
      const prefs = set === undefined ? '' : ` set ${[mute, pin, archive].join(' ')} by ${set}`;
      this.#o.trace(this.name, `conversation ${conv} head ${head} read ${read} unread ${unread}${prefs}`);
    } else if (frame.t === 'presence') {
      this.#o.trace(this.name, `presence ${frame.user} ${frame.online} ${frame.lastSeen ?? ''}`);
    } else if (frame.t === 'prefs') {
      this.#o.trace(this.name, `prefs ${frame.receipts} ${frame.presence}`);
    } else if (frame.t === 'receipt') {
      this.#o.trace(this.name, `receipt ${frame.conv} ${frame.items.join(' ')}`);
    } else if (frame.t === 'error' || frame.t === 'bye') {
      this.#o.trace(this.name, frame.t === 'bye' ? `bye ${frame.reason}` : `error ${frame.id} ${frame.code}`);
    }
  }

  #page({ id, conv, head, more, messages }: Page): void {
    const read = this.#reads.get(id);
    if (read === undefined) return;
    this.#reads.delete(id);
    const { history, system, trace } = this.#o;
    const seqs = messages.map(({ seq }: Message) => seq);
    trace(this.name, `page ${conv} ${seqs[0]}..${seqs.at(-1)} of ${head}`);
    history.reads.push({
      user: this.user,
      device: this.name,
      conv,
      startedAt: read.at,
      at: system.monotonic(),
      after: read.frame.after,
      before: read.frame.before,
      head,
      more,
      seqs,
    });
  }
}

function clientSystem(system: VirtualSystem, dice: Dice): ClientSystem {
  return {
    now: () => system.now(),
    monotonic: () => system.monotonic(),
    after: (ms, task) => {
      const timer = system.after(ms, task);
      return () => timer.cancel();
    },
    random: () => dice.roll(),
    randomBytes: (count) => system.random(count),
  };
}
