import type { Entry } from '../core/entry.ts';
import { uuidV7 } from '../core/ids.ts';
import type { ConversationKind } from '../core/requests.ts';
import type {
  ErrorFrame,
  Hello,
  Message,
  Page,
  ReceiptsPage,
  ServerFrame,
  Welcome,
  WireLimits,
} from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import type * as api from './api.ts';
import { Cursors } from './cursors.ts';
import { Directory } from './directory.ts';
import { Emitter } from './emitter.ts';
import { asError, ClientError, closedError } from './errors.ts';
import { type ConnectionState, Link } from './link.ts';
import { type ClientOptions, type Settings, settingsOf } from './options.ts';
import { type Outgoing, Outbox, type Placed } from './outbox.ts';
import { untilOnline } from './ready.ts';
import { type Answers, type Request, Requests } from './requests.ts';
import { sendProblem } from './send-check.ts';
import { deviceId, nextAttempt } from './storage.ts';
import { Sync } from './sync.ts';
import type { HistoryRange, Timeline, TimelineOptions } from './timeline.ts';
import { Timelines } from './timelines.ts';
import { Token } from './token.ts';
import { Typing } from './typing.ts';
import { Users } from './users.ts';

/** A user's device, connected: sends until acked, keeps conversations and timelines up to date over reconnects. */
export class Client extends Emitter<api.ClientEvents> {
  readonly device: string;
  /** Who is online, and what others may know of the user. */
  readonly users: Users;
  readonly #settings: Settings;
  readonly #link: Link;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #directory: Directory;
  readonly #cursors: Cursors;
  readonly #token: Token;
  readonly #timelines: Timelines;
  readonly #typing: Typing;
  readonly #sync: Sync;
  #user = '';
  readonly #sender = () => ({ from: this.#user, device: this.device });
  #limits: WireLimits;
  #lastId = 0;

  /** `connect` makes one and starts it. */
  constructor(options: ClientOptions) {
    super();
    const settings = settingsOf(options);
    const { system } = settings;
    this.#settings = settings;
    this.#limits = settings.limits;
    this.device = options.device ?? deviceId(settings.storage, system);
    const nextId = (): number => (this.#lastId = (this.#lastId % LIMITS.requestIdMax) + 1);
    this.#link = new Link({
      ...settings,
      heartbeatMs: settings.limits.heartbeatMs,
      nextId,
      hello: () => this.#hello(),
      online: (welcome) => this.#online(welcome),
      offline: () => this.#offline(),
      frame: (frame) => this.#received(frame),
      state: (state) => this.#stateIs(state),
    });
    const send = this.#link.send.bind(this.#link);
    this.#requests = new Requests({ ...settings, timeoutMs: settings.requestTimeoutMs, nextId, send });
    this.#outbox = new Outbox({ ...settings, nextId, send, settled: this.#settled.bind(this) });
    this.#token = new Token(settings.token, {
      system,
      renew: (token) => this.#renewToken(token),
      failed: (error) => this.emit('error', new ClientError('unauthenticated', `token: ${error.message}`)),
    });
    const changed = (entry: Entry): void => this.emit('conversation', entry);
    const place = (conv: string, seq: number): Promise<Page> =>
      this.history(conv, { after: seq - 1, limit: 1 });
    const isBehind = (conv: string, read: number): void => this.#cursors.read.add(conv, read);
    this.#directory = new Directory({ ...settings, changed, place, isBehind });
    this.#cursors = new Cursors(system, send);
    this.#typing = new Typing(system, send, (event) => this.emit('typing', event));
    this.#sync = new Sync({
      page: (before, limit) => this.#call({ t: 'conversations', before, limit }),
      take: (entry) => {
        this.#directory.merge(entry);
        this.#checkTimeline(entry.conv);
      },
      synced: () => this.emit('synced', undefined),
      failed: (error) => this.emit('error', error),
    });
    this.users = new Users({
      call: (frame) => this.#call(frame),
      presence: (event) => this.emit('presence', event),
      settings: (settings) => this.emit('settings', settings),
      failed: (error) => this.emit('error', error),
    });
    this.#timelines = new Timelines({
      system,
      sender: this.#sender,
      history: (conv, range) => this.history(conv, range),
      came: (message) => this.#came(message),
    });
  }

  /** Connects now: after a `closed`, or to cut a wait short. */
  connect(): void {
    this.#link.start();
  }

  /** Hangs up for good; what is unanswered is rejected with `closed`. */
  close(): void {
    this.#cursors.read.flush();
    this.#link.stop('closed');
  }

  get state(): ConnectionState {
    return this.#link.state;
  }

  /** Who the server says that we are; '' before the first connection. */
  get user(): string {
    return this.#user;
  }

  get limits(): WireLimits {
    return this.#limits;
  }

  /** Resolves once connected; rejects with a ClientError if the server bars us. */
  ready(): Promise<void> {
    return untilOnline(this.state, (listener) => this.on('state', listener));
  }

  /**
   * Sends a message; resolves with its place in the log once it is durable, over however many reconnects that
   * takes. Rejects with a ClientError: `outbox_full` at once when too many are unacked, `invalid` and `too_large`
   * for a body that no server would take, and what the server refuses for good.
   */
  send(conv: string, body: string | Uint8Array, options: api.SendOptions = {}): Promise<Placed> {
    const { state } = this.#link;
    const problem = sendProblem(conv, body, options.mentions, this.#limits.bodyBytesMax);
    const refusal = state.is === 'closed' ? closedError(state) : problem;
    if (refusal !== undefined) return Promise.reject(refusal);
    const { system } = this.#settings;
    const cmid = uuidV7(system.now(), system.randomBytes(10));
    try {
      const { kind = 'text', mentions } = options;
      const [outgoing, promise] = this.#outbox.add(conv, cmid, body, kind, mentions);
      this.#timelines.get(conv)?.sending(outgoing);
      this.#typing.sent(conv);
      return promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  /** Messages sent and not acked yet, over all conversations. */
  get unacked(): number {
    return this.#outbox.size;
  }

  /** Creates a conversation, or finds the direct one; resolves with its id. */
  async create(kind: ConversationKind, members: readonly string[], title?: string): Promise<string> {
    const { system } = this.#settings;
    // Of our own choice, so that asking twice does not create twice.
    const conv = kind === 'direct' ? undefined : uuidV7(system.now(), system.randomBytes(10));
    const created = await this.#call({ t: 'create', kind, members, title, conv });
    return created.conv;
  }

  /** A page of the log: behind `after`, before `before`, or the newest. */
  async history(conv: string, range: HistoryRange = {}): Promise<Page> {
    const page = await this.#call({ t: 'history', conv, ...range });
    for (const message of page.messages) {
      if (message.from === this.#user) this.#directory.message(message);
      else this.#directory.placed(message);
      this.#noticeOwn(message);
    }
    return page;
  }

  /** Who the members are. */
  async members(conv: string): Promise<api.MemberList> {
    const { seq = 0, members = [] } = await this.#call({ t: 'members', conv });
    return { seq, members };
  }

  /** Changes who the members are; resolves with the seq of the change. */
  async changeMembers(conv: string, change: api.MemberChange): Promise<number> {
    return (await this.#call({ t: 'members', conv, ...change })).seq ?? 0;
  }

  /** Other members' cursors, as far as the server has them by now. */
  receipts(conv: string, range: api.ReceiptsRange = {}): Promise<ReceiptsPage> {
    return this.#call({ t: 'receipts', conv, ...range });
  }

  /** Mutes, pins or archives the conversation; resolves once that is durable, and all of the user's devices are told. */
  async prefs(conv: string, change: api.PrefsChange): Promise<void> {
    await this.#call({ t: 'prefs', conv, ...change });
  }

  /** The user has read up to `seq`. Told to the server at once (a stream of them every 200 ms), or after reconnecting. */
  read(conv: string, seq: number): void {
    const n = this.#timelines.get(conv)?.messages.findLast((message) => message.seq <= seq)?.n;
    if (this.#directory.read(conv, seq, n))
      this.#cursors.read.add(conv, this.#directory.get(conv)?.read ?? seq);
  }

  /** The user types, or has stopped; say so at each key, it is told every 3 s. */
  typing(conv: string, on = true): void {
    this.#typing.set(conv, on);
  }

  /** Read cursors that are not durable yet: told to the server again until they are. */
  get unconfirmedReads(): number {
    return this.#cursors.read.size;
  }

  /** All up to `seq` is on this device. A timeline says so by itself, and so does what comes in order. */
  delivered(conv: string, seq: number): void {
    const entry = this.#directory.get(conv);
    if (entry !== undefined && entry.removed === undefined && seq > entry.read)
      this.#cursors.delivered.add(conv, seq);
  }

  /** The conversations known, the most recently active first. */
  get conversations(): Entry[] {
    return this.#directory.list();
  }

  conversation(conv: string): Entry | undefined {
    return this.#directory.get(conv);
  }

  /** Unread messages of all conversations, … */
  get unread(): number {
    return this.#directory.unread;
  }
  /** … and of those that are not muted now. */
  get badge(): number {
    return this.#directory.badge(this.#settings.system.now());
  }

  /** The conversation's timeline, the one open or a new one; close it when nobody looks at it any more. */
  timeline(conv: string, options: TimelineOptions = {}): Timeline {
    const open = this.#timelines.get(conv);
    if (open !== undefined) return open;
    const timeline = this.#timelines.open(conv, options);
    for (const outgoing of this.#outbox.list(conv)) timeline.sending(outgoing);
    timeline.headIs(this.#directory.get(conv)?.head ?? 0);
    return timeline;
  }

  #call<T extends keyof Answers>(frame: Request<T> & { t: T }): Promise<Answers[T]> {
    const { state } = this.#link;
    return state.is === 'closed' ? Promise.reject(closedError(state)) : this.#requests.call<T>(frame);
  }

  async #hello(): Promise<Hello> {
    const { storage, system } = this.#settings;
    return {
      t: 'hello',
      token: await this.#token.read(),
      device: this.device,
      attempt: nextAttempt(storage, this.device, system.now()),
      cursor: this.#sync.cursor,
      have: this.#timelines.have(),
    };
  }

  async #renewToken(token: string): Promise<void> {
    if (this.#link.isOnline) await this.#call({ t: 'auth', token }); // else the next hello brings a fresh one
  }

  #online(welcome: Welcome): void {
    this.#user = welcome.user;
    this.#limits = welcome.limits;
    this.#directory.user = welcome.user;
    for (const entry of welcome.conversations) this.#directory.replace(entry);
    this.#cursors.read.online((conv, seq) => this.#directory.read(conv, seq, undefined));
    this.#cursors.delivered.online((conv, seq) => seq > (this.#directory.get(conv)?.read ?? 0));
    for (const timeline of this.#timelines.all()) {
      timeline.online();
      this.#checkTimeline(timeline.conv);
    }
    this.#outbox.online();
    this.#requests.pump();
    this.users.online(welcome.prefs);
    this.#sync.begin(welcome);
  }

  #checkTimeline(conv: string): void {
    const entry = this.#directory.get(conv);
    if (entry !== undefined) this.#timelines.check(entry);
  }

  #offline(): void {
    this.#sync.stop();
    this.#typing.offline();
    this.users.offline();
    this.#requests.offline();
    this.#outbox.offline();
  }

  #stateIs(state: ConnectionState): void {
    if (state.is === 'closed') {
      this.#offline();
      this.#token.stop();
      const error = closedError(state);
      this.#requests.fail(error);
      this.#outbox.fail(error);
      this.#cursors.stop();
    }
    this.emit('state', state);
  }

  #received(frame: ServerFrame): void {
    switch (frame.t) {
      case 'message':
        return this.#message(frame);
      case 'ack':
        return this.#outbox.acked(frame);
      case 'head':
        this.#directory.head(frame);
        this.#timelines.get(frame.conv)?.headIs(frame.seq);
        return this.emit('head', frame);
      case 'conversation':
        this.#directory.conversation(frame);
        return this.#checkTimeline(frame.conv);
      case 'receipt':
        this.#cursors.receipt(frame, this.#user);
        return this.emit('receipt', frame);
      case 'typing':
        return this.#typing.event(frame);
      case 'presence':
        return this.users.event(frame);
      case 'prefs':
        return this.users.settingsAre(frame);
      case 'reset':
        this.#timelines.get(frame.conv)?.reset();
        return this.emit('reset', { conv: frame.conv });
      case 'error':
        return this.#error(frame);
      case 'ok':
      case 'page':
      case 'created':
      case 'conversations':
      case 'receipts':
        return this.#requests.answered(frame);
      case 'pong':
      case 'welcome':
      case 'bye':
        return; // the link's
    }
  }

  #message(message: Message): void {
    const { conv, seq } = message;
    const isNext = seq === (this.#directory.get(conv)?.head ?? -1) + 1;
    this.#directory.message(message);
    this.#noticeOwn(message);
    this.#typing.ended(conv, message.from);
    const timeline = this.#timelines.get(conv);
    timeline?.receive(message);
    if (timeline === undefined && isNext) this.#came(message);
    this.emit('message', message);
  }

  /** The last of what is on this device without a gap. */
  #came({ conv, seq, from }: Message): void {
    if (this.#settings.reportDelivered && from !== this.#user) this.delivered(conv, seq);
  }

  /** One's own message in the log is as good as its ack. */
  #noticeOwn(message: Message): void {
    if (message.from !== this.#user || message.device !== this.device || message.cmid === undefined) return;
    this.#outbox.seen(message.conv, message.cmid, { seq: message.seq, ts: message.ts });
  }

  #settled(outgoing: Outgoing, placed: Placed | undefined): void {
    if (placed !== undefined) {
      const { conv, cmid, kind, body } = outgoing;
      this.#directory.message({ t: 'message', conv, cmid, kind, body, n: 0, ...placed, ...this.#sender() });
    }
    this.#timelines.get(outgoing.conv)?.settled(outgoing, placed);
  }

  #error(error: ErrorFrame): void {
    if (this.#outbox.refused(error) || this.#requests.refused(error)) return;
    this.#cursors.refused(error);
    this.emit('error', new ClientError(error.code, (error.re ? `${error.re}: ` : '') + error.message));
  }
}
