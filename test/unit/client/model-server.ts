/** A small server of the protocol's JSON form, in memory and without time: the other side in the client's tests. */
import type { Entry, Role } from '../../../src/core/entry.ts';
import { directConversationId } from '../../../src/core/direct-id.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { ERRORS } from '../../../src/core/errors.ts';
import type { PrefsChange } from '../../../src/client/api.ts';
import type {
  ClientFrame,
  Create,
  Delivered,
  History,
  Members,
  Message,
  Read,
  ReceiptItem,
  Send,
  ServerFrame,
} from '../../../src/protocol/frames.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { type Faults, NO_FAULTS } from './model-faults.ts';
import { ModelUsers } from './model-users.ts';

export interface Peer {
  send(frame: ServerFrame): void;
  close(code: number, reason: string): void;
}

interface Conversation {
  readonly conv: string;
  readonly kind: 'direct' | 'group';
  readonly title: string | undefined;
  readonly created: number;
  readonly members: Map<string, Role>;
  readonly removed: Map<string, number>;
  readonly log: Message[];
  readonly read: Map<string, number>;
  readonly delivered: Map<string, number>;
}

export class Session {
  user = '';
  device = '';
  /** The cmid of the refused send that must come again first, by conversation. */
  readonly held = new Map<string, string>();
  readonly late: ServerFrame[] = [];
  readonly frames: ClientFrame[] = [];
  readonly server: ModelServer;
  readonly peer: Peer;

  constructor(server: ModelServer, peer: Peer) {
    this.server = server;
    this.peer = peer;
  }

  receive(text: string): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.frames.push(frame);
    this.server.handle(this, frame);
  }

  closed(): void {
    this.server.sessions.delete(this);
    this.server.users.changed(this.user);
  }

  cut(code = 1006, reason = ''): void {
    this.server.sessions.delete(this);
    this.peer.close(code, reason);
  }

  event(frame: ServerFrame): void {
    const fate = this.server.faults.event();
    if (fate === 'lose') return;
    if (fate === 'late') {
      this.late.push(frame);
      return;
    }
    this.peer.send(frame);
    if (fate === 'twice') this.peer.send(frame);
    for (const held of this.late.splice(0)) this.peer.send(held);
  }
}

export class ModelServer {
  readonly sessions = new Set<Session>();
  readonly conversations = new Map<string, Conversation>();
  /** By user and conversation. */
  readonly prefs = new Map<string, PrefsChange>();
  readonly users = new ModelUsers(this);
  faults: Faults = NO_FAULTS;
  welcomeEntriesMax: number = LIMITS.welcomeEntriesMax;
  heartbeatMs = 20_000;
  readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  connect(peer: Peer): Session {
    const session = new Session(this, peer);
    this.sessions.add(session);
    return session;
  }

  /** Tells every session of every member where the heads are. */
  announceHeads(): void {
    for (const session of this.sessions)
      for (const c of this.conversations.values())
        if (c.members.has(session.user)) session.peer.send(this.#head(c, session.user));
  }

  /** Commits a message of `user` from a device of the test's own. */
  post(conv: string, user: string, body: string, cmid?: string): Message {
    return this.#commit(this.#get(conv), user, 'elsewhere', { kind: 'text', body, cmid });
  }

  handle(session: Session, frame: ClientFrame): void {
    switch (frame.t) {
      case 'hello':
        return this.#hello(session, frame);
      case 'auth':
        return session.peer.send({ t: 'ok', id: frame.id });
      case 'ping':
        return session.peer.send({ t: 'pong', id: frame.id, now: this.now() });
      case 'create':
        return this.#create(session, frame);
      case 'send':
        return this.#send(session, frame);
      case 'history':
        return this.#history(session, frame);
      case 'members':
        return this.#members(session, frame);
      case 'read':
      case 'delivered':
        return this.#cursor(session, frame);
      case 'typing':
        for (const each of this.sessions)
          if (each.user !== session.user) each.event({ ...frame, user: session.user });
        return;
      case 'prefs': {
        const { t: _, id, conv = '', receipts, presence, ...change } = frame;
        if (conv === '') return this.users.set(session, id, { receipts, presence });
        const key = `${session.user} ${conv}`;
        this.prefs.set(key, { ...this.prefs.get(key), ...change });
        this.#tell(this.#get(conv), session.user);
        return session.peer.send({ t: 'ok', id });
      }
      case 'watch':
      case 'unwatch':
        return this.users.watch(session, frame);
      case 'receipts': {
        const c = this.#get(frame.conv);
        const items = [...c.members.keys()].map((user) => receiptOf(c, user));
        const others = items.filter(([user]) => user !== session.user);
        return session.peer.send({ t: 'receipts', id: frame.id, conv: c.conv, items: others, more: false });
      }
      case 'conversations': {
        const all = this.#entries(session.user);
        const from = Number(frame.before ?? 0);
        const to = from + (frame.limit ?? 50);
        const more = to < all.length;
        const before = more ? String(to) : undefined;
        const conversations = all.slice(from, to);
        return session.peer.send({ t: 'conversations', id: frame.id, conversations, more, before });
      }
    }
  }

  #cursor(session: Session, { t, conv, seq }: Read | Delivered): void {
    const c = this.#get(conv);
    const { user } = session;
    if (!c.members.has(user)) {
      const message = 'you are not a member';
      return session.peer.send({ t: 'error', code: 'not_member', message, retryable: false, re: t, conv });
    }
    const cursors = t === 'read' ? c.read : c.delivered;
    if (this.faults.loseCursor() || seq <= (cursors.get(user) ?? 0)) return;
    cursors.set(user, seq);
    for (const each of this.sessions)
      if (c.members.has(each.user)) each.event({ t: 'receipt', conv, items: [receiptOf(c, user)] });
  }

  #hello(session: Session, hello: Extract<ClientFrame, { t: 'hello' }>): void {
    if (!hello.token.startsWith('dev:')) {
      session.peer.send({ t: 'bye', code: 4101, reason: 'unauthenticated', reconnect: false });
      return session.cut(4101, 'unauthenticated');
    }
    session.user = hello.token.slice(4);
    session.device = hello.device;
    this.users.changed(session.user);
    const all = this.#entries(session.user);
    const more = all.length > this.welcomeEntriesMax;
    session.peer.send({
      t: 'welcome',
      user: session.user,
      device: hello.device,
      session: 's',
      now: this.now(),
      limits: {
        bodyBytesMax: LIMITS.bodyBytesMax,
        frameBytesMax: LIMITS.jsonFrameBytesMax,
        sendsPerSecond: 1_000,
        burst: 2_000,
        heartbeatMs: this.heartbeatMs,
      },
      cursor: `cursor-${this.now()}`,
      conversations: all.slice(0, this.welcomeEntriesMax),
      more,
      before: more ? String(this.welcomeEntriesMax) : undefined,
      badge: 0,
      prefs: this.users.of(session.user),
    });
    for (const [conv, seq] of hello.have ?? []) {
      const head = this.conversations.get(conv)?.log.length ?? 0;
      if (head < seq || head - seq > LIMITS.resetBehindMax) session.peer.send({ t: 'reset', conv });
    }
  }

  #create(session: Session, frame: Create): void {
    const kind = frame.kind === 'direct' ? 'direct' : 'group';
    const peer = frame.members.find((user) => user !== session.user) ?? '';
    const conv = kind === 'direct' ? directConversationId(session.user, peer) : (frame.conv as string);
    if (!this.conversations.has(conv)) {
      const users = new Set([session.user, ...frame.members]);
      const roles = [...users].map((user) => [
        user,
        kind === 'group' && user === session.user ? 'owner' : 'member',
      ]);
      const c: Conversation = {
        conv,
        kind,
        title: frame.title,
        created: this.now(),
        members: new Map(roles as [string, Role][]),
        removed: new Map(),
        log: [],
        read: new Map(),
        delivered: new Map(),
      };
      this.conversations.set(conv, c);
      for (const user of kind === 'direct' ? [session.user] : users) this.#tell(c, user);
      if (kind === 'group') {
        const body = JSON.stringify({ kind, title: frame.title, members: [...c.members] });
        this.#commit(c, session.user, session.device, { kind: 'sys.created', body });
      }
    }
    session.peer.send({ t: 'created', id: frame.id, conv });
  }

  #send(session: Session, frame: Send): void {
    const c = this.conversations.get(frame.conv);
    if (c === undefined) return this.#refuse(session, frame.id, 'not_found');
    if (!c.members.has(session.user)) return this.#refuse(session, frame.id, 'not_member');
    const held = session.held.get(frame.conv);
    // One that turned out to be committed already need not come again.
    const isHeld = held !== undefined && !c.log.some((m) => m.cmid === held);
    if (isHeld && held !== frame.cmid) return this.#refuse(session, frame.id, 'overloaded', 20);
    const refusal = this.faults.refuseSend();
    if (refusal !== undefined) {
      session.held.set(frame.conv, frame.cmid);
      return this.#refuse(session, frame.id, refusal, 10);
    }
    session.held.delete(frame.conv);
    const { cmid, kind = 'text', body } = frame;
    const old = c.log.find((m) => m.cmid === cmid && m.from === session.user && m.device === session.device);
    const message = old ?? this.#commit(c, session.user, session.device, { kind, body, cmid }, session);
    if (this.faults.cutAfterSend()) return session.cut();
    const { conv, seq, ts } = message;
    const duplicate = old === undefined ? undefined : true;
    session.peer.send({ t: 'ack', id: frame.id, conv, cmid, seq, ts, duplicate });
  }

  #history(session: Session, frame: History): void {
    const c = this.conversations.get(frame.conv);
    if (!c?.members.has(session.user)) return this.#refuse(session, frame.id, 'not_member');
    const { log } = c;
    const limit = frame.limit ?? LIMITS.historyLimitDefault;
    const from = frame.after ?? Math.max(0, (frame.before ?? log.length + 1) - 1 - limit);
    const to =
      frame.after === undefined
        ? (frame.before ?? log.length + 1) - 1
        : Math.min(log.length, frame.after + limit);
    const more = frame.after === undefined ? from > 0 : to < log.length;
    const messages = log.slice(from, to);
    session.peer.send({ t: 'page', id: frame.id, conv: frame.conv, head: log.length, messages, more });
  }

  #members(session: Session, frame: Members): void {
    const c = this.conversations.get(frame.conv);
    if (!c?.members.has(session.user)) return this.#refuse(session, frame.id, 'not_member');
    const remove = frame.leave ? [session.user] : (frame.remove ?? []);
    const { t: _t, id: _id, conv: _conv, ...change } = frame;
    if (Object.keys(change).length === 0) {
      return session.peer.send({ t: 'ok', id: frame.id, seq: c.log.length, members: [...c.members] });
    }
    for (const user of frame.add ?? []) {
      if (c.members.has(user)) continue;
      c.members.set(user, 'member');
      c.removed.delete(user);
      this.#tell(c, user);
    }
    const body = JSON.stringify(change);
    const event = this.#commit(c, session.user, session.device, { kind: 'sys.members', body });
    for (const user of remove) {
      c.members.delete(user);
      c.removed.set(user, event.seq);
      this.#tell(c, user);
    }
    session.peer.send({ t: 'ok', id: frame.id, seq: event.seq });
  }

  #commit(
    c: Conversation,
    from: string,
    device: string,
    what: { kind: string; body: string | Uint8Array; cmid?: string },
    except?: Session,
  ): Message {
    const n = (c.log.at(-1)?.n ?? 0) + (what.kind.startsWith('sys.') ? 0 : 1);
    const ts = this.now();
    const message: Message = {
      t: 'message',
      conv: c.conv,
      seq: c.log.length + 1,
      n,
      ts,
      from,
      device,
      ...what,
    };
    const isFirst = c.log.length === 0;
    c.log.push(message);
    if (message.kind === 'text') c.read.set(from, message.seq);
    if (isFirst && c.kind === 'direct') for (const user of c.members.keys()) this.#tell(c, user);
    for (const session of [...this.sessions]) {
      if (session !== except && c.members.has(session.user)) session.event(message);
    }
    return message;
  }

  #tell(c: Conversation, user: string): void {
    for (const session of this.sessions) {
      if (session.user === user) session.peer.send({ t: 'conversation', ...this.#entry(c, user) });
    }
  }

  #head(c: Conversation, user: string): ServerFrame {
    const { head, n, unread } = this.#entry(c, user);
    return { t: 'head', conv: c.conv, seq: head, n, unread };
  }

  #entries(user: string): Entry[] {
    const all = [...this.conversations.values()].filter((c) => c.members.has(user) || c.removed.has(user));
    return all.map((c) => this.#entry(c, user)).sort((a, b) => b.ts - a.ts);
  }

  #entry(c: Conversation, user: string): Entry {
    const last = c.log.at(-1);
    const shown = c.log.findLast((m) => !m.kind.startsWith('sys.'));
    const read = c.read.get(user) ?? 0;
    const n = last?.n ?? 0;
    return {
      conv: c.conv,
      kind: c.kind,
      title: c.title,
      peer: c.kind === 'direct' ? [...c.members.keys()].find((other) => other !== user) : undefined,
      role: c.members.get(user) ?? 'member',
      removed: c.removed.get(user),
      head: c.log.length,
      n,
      ts: last?.ts ?? c.created,
      read,
      unread: n - (c.log[read - 1]?.n ?? 0),
      ...this.prefs.get(`${user} ${c.conv}`),
      preview: shown && {
        seq: shown.seq,
        from: shown.from,
        kind: shown.kind,
        text: String(shown.body).slice(0, 200),
      },
    };
  }

  #get(conv: string): Conversation {
    const c = this.conversations.get(conv);
    if (c === undefined) throw new Error(`no conversation ${conv}`);
    return c;
  }

  #refuse(session: Session, id: number, code: ErrorCode, retryAfterMs?: number): void {
    const { retryable } = ERRORS[code];
    session.peer.send({ t: 'error', id, code, message: code, retryable, retryAfterMs });
  }
}

function receiptOf({ read, delivered }: Conversation, user: string): ReceiptItem {
  const seq = read.get(user) ?? 0;
  return [user, Math.max(seq, delivered.get(user) ?? 0), seq];
}
