import type { Activation, Outbox, Recalled } from '../src/core/actor.ts';
import type { Entry, Preview } from '../src/core/entry.ts';
import type { ConversationId, Seq, UserId } from '../src/core/ids.ts';
import { shownPrefs } from '../src/core/prefs.ts';
import type { Audience, SendRequest } from '../src/core/requests.ts';
import {
  type ConversationRow,
  type HandOver,
  type InboxRow,
  type KnownId,
  type LogEvent,
  type MemberRow,
  MENTIONS_KEPT_MAX,
  unreadMentions,
} from '../src/core/rows.ts';
import { LIMITS } from '../src/protocol/limits.ts';
import {
  messageBody,
  messageCmid,
  messageDevice,
  messageFrom,
  messageIsSent,
  messageIsText,
  messageKind,
  messageMentions,
  messageText,
  N_AT,
  payloadHash,
  readU64,
  SEQ_AT,
  TS_AT,
} from '../src/protocol/message-frame.ts';
import { DedupeWindow } from './dedupe-window.ts';
import { applyEvent, type Member, type MembersEvent } from './membership.ts';
import { prefsAt } from './prefs.ts';
import { TailCache } from './tail-cache.ts';

const TAIL_EVENTS_MAX = 64;
const TAIL_BYTES_MAX = 32 * 1024;

/** A membership that has ended, until its last rows are written. */
interface Departed {
  readonly row: MemberRow;
  readonly inbox: InboxRow;
}

/** The committed state of one existing conversation. */
export class SequencerState {
  readonly fence: number;
  readonly window: DedupeWindow;
  readonly tail: TailCache;
  readonly departed = new Map<UserId, Departed>();
  /** Of a direct without a message: the members who created it; the other is shown nothing of it yet. */
  readonly #creators: Set<UserId>;
  conversation: ConversationRow;
  members: Map<UserId, Member>;
  audience: Audience;
  head: Seq;
  n: number;
  ts: number;
  /** The seq of the last event that changed members or settings. */
  version: Seq;
  /** The seq of the last message that mentions somebody. */
  mentioned: Seq;
  /** The last message (no system event), and its preview once one was asked for: all entries share it. */
  #lastMessage: Uint8Array | undefined;
  #preview: Preview | undefined;
  #prefsChanges = 0;
  #isRecalling = false;

  constructor(activation: Activation, conversation: ConversationRow) {
    this.fence = activation.fence;
    this.conversation = conversation;
    this.#creators = new Set([conversation.creator]);
    this.head = activation.head;
    this.version = conversation.version;
    this.mentioned = conversation.mentioned ?? 0;
    this.members = new Map();
    for (const row of activation.members) {
      if (row.left === 0) this.members.set(row.user, memberOf(row, this.fence));
    }
    const first = activation.tail[0]?.seq ?? activation.head + 1;
    const { warm } = activation;
    this.window = new DedupeWindow(LIMITS.dedupRecentMax, warm?.coversFrom ?? first);
    this.tail = new TailCache(first - 1, TAIL_EVENTS_MAX, TAIL_BYTES_MAX);
    this.#lastMessage = warm?.lastMessage;
    this.n = 0;
    this.ts = conversation.created;
    for (const row of activation.unprojected)
      if (messageKind(row.env).startsWith('sys.')) this.#replayMembership(row);
      else this.mention(row.seq, row.env);
    for (const row of activation.tail) this.#replay(row, warm === undefined);
    for (const { user, device, cmid, seq, ts, hash } of warm?.ids ?? [])
      this.window.addTentative(user, device, cmid, seq, ts, hash);
    this.window.commit();
    this.window.trim(this.head);
    this.audience = { conv: conversation.conv, version: this.version, users: [...this.members.keys()] };
  }

  get conv(): ConversationId {
    return this.conversation.conv;
  }

  /** Roughly what it holds in memory, in bytes. */
  get bytes(): number {
    return (
      2_000 + this.members.size * 200 + this.window.size * 180 + this.tail.bytes + this.departed.size * 500
    );
  }

  #replayMembership(row: LogEvent): void {
    const event = JSON.parse(messageText(row.env)) as MembersEvent;
    if (messageKind(row.env) === 'sys.members') {
      const before = this.members;
      this.members = applyEvent(before, event, row.seq, readU64(row.env, N_AT));
      this.#resetPrefs(before);
      this.#noteDepartures(before, row.seq, readU64(row.env, N_AT), readU64(row.env, TS_AT));
    }
    this.version = row.seq;
    for (const member of this.members.values()) member.dirty = true;
  }

  #replay({ env, seq }: LogEvent, withId: boolean): void {
    this.n = readU64(env, N_AT);
    this.ts = Math.max(this.ts, readU64(env, TS_AT));
    this.tail.push(seq, env);
    if (!messageIsSent(env)) return;
    if (withId) {
      const { user, device, cmid, ts, hash } = idOf(seq, env);
      this.window.addTentative(user, device, cmid, seq, ts, hash);
    }
    this.sent(this.members.get(messageFrom(env)), seq, this.n);
    this.#lastMessage = env;
    this.#preview = undefined;
  }

  /** Whether only the store can say what became of the send before, as far as can be seen now. */
  isUnknown(request: SendRequest, out: Outbox): boolean {
    const { user, device, cmid } = request;
    return this.window.find(user, device, cmid) === undefined && this.needsLookUp(request, 0, out);
  }

  /** Whether only the store can say of an id, absent up to `absentTo` and not in the window, that it is new. */
  needsLookUp({ retry, after }: SendRequest, absentTo: Seq, out: Outbox): boolean {
    const { coversFrom } = this.window;
    const isShort = this.window.isShort(this.head);
    if (isShort && !this.#isRecalling) {
      // After a take-over: until the rows that it lacks are here, many a send costs a look-up.
      this.#isRecalling = true;
      out.recall(Math.max(1, this.head - LIMITS.dedupRecentMax + 1), coversFrom - 1);
    }
    const absent = retry ? Math.max(absentTo, after) : absentTo;
    return (retry || isShort) && coversFrom > absent + 1;
  }

  recalled({ from, to, rows }: Recalled): void {
    this.#isRecalling = false;
    if (rows === undefined) return;
    const ids = rows.filter(({ env }) => messageIsSent(env)).map(({ seq, env }) => idOf(seq, env));
    this.window.extend(ids, from, to);
    this.window.trim(this.head);
  }

  /** Whoever sends a message has read it, and shows that unless something is hidden. */
  sent(member: Member | undefined, seq: Seq, n: number): void {
    const hidesNothing = member?.shown !== undefined && member.shown === member.read;
    if (this.moveCursor(member, seq, n) && member !== undefined && hidesNothing) member.shown = seq;
  }

  /** Moves a cursor forward, never back. */
  moveCursor(member: Member | undefined, seq: Seq, n: number): boolean {
    if (member === undefined || seq <= member.read) return false;
    member.read = seq;
    member.readN = n;
    member.delivered = Math.max(member.delivered, seq);
    member.mentions = unreadMentions(member.mentions, seq);
    member.dirty = true;
    return true;
  }

  /** Counts a committed message for those whom it mentions, and who have not read it; returns them. */
  mention(seq: Seq, env: Uint8Array): readonly UserId[] {
    const users = messageMentions(env);
    if (users.length === 0) return users;
    this.mentioned = Math.max(this.mentioned, seq);
    for (const user of users) {
      const member = this.members.get(user);
      const seqs = member?.mentions?.seqs ?? [];
      // A log that is replayed may be behind the row.
      if (member === undefined || seq <= member.read || seq <= (seqs.at(-1) ?? 0)) continue;
      member.mentions = { seqs: [...seqs, seq].slice(-MENTIONS_KEPT_MAX), upTo: seq };
      member.dirty = true;
    }
    return users;
  }

  /** Takes a committed row in. */
  commitRow(seq: Seq, n: number, ts: number, env: Uint8Array, isMessage: boolean): void {
    this.head = seq;
    this.n = n;
    this.ts = ts;
    this.tail.push(seq, env);
    if (!isMessage) return;
    this.#lastMessage = env;
    this.#preview = undefined;
  }

  /** Takes a committed membership change in: `members` holds from the event at `seq`, of time `ts`, on. */
  commitMembers(members: Map<UserId, Member>, seq: Seq, ts: number): void {
    const before = this.members;
    this.members = members;
    for (const member of members.values()) {
      // Its cursors may have moved while the batch was in flight, and what it has set may have changed.
      const old = before.get(member.user);
      if (old === undefined || old.join !== member.join) continue;
      this.moveCursor(member, old.read, old.readN);
      member.delivered = Math.max(member.delivered, old.delivered);
      if (old.shown !== undefined) member.shown = Math.max(old.shown, member.shown ?? 0);
      member.prefs = old.prefs;
      member.mentions = unreadMentions(old.mentions, member.read);
    }
    this.#resetPrefs(before);
    this.version = seq;
    this.audience = { conv: this.conv, version: seq, users: [...members.keys()] };
    this.#noteDepartures(before, seq, this.n, ts);
  }

  /** For a change of what a member has set. */
  nextPrefsAt(): number {
    return prefsAt(this.fence, ++this.#prefsChanges);
  }

  /** Whoever comes, or comes back, has set nothing. */
  #resetPrefs(before: ReadonlyMap<UserId, Member>): void {
    for (const member of this.members.values())
      if (before.get(member.user)?.join !== member.join)
        member.prefs = { mute: 0, pin: false, archive: false, at: this.nextPrefsAt() };
  }

  /** Keeps the last rows of those who are gone from `before` by the event at `left`, as of the head before it. */
  #noteDepartures(before: ReadonlyMap<UserId, Member>, left: Seq, n: number, ts: number): void {
    for (const member of before.values()) {
      if (this.members.has(member.user)) continue;
      const { user, readN } = member;
      const entry: Entry = {
        ...this.#entry(member),
        head: left - 1,
        n,
        ts,
        unread: 0,
        removed: left,
        preview: undefined,
        mentions: undefined,
      };
      this.departed.set(user, {
        row: { ...this.memberRow({ ...member, prefs: undefined, mentions: undefined }), left },
        inbox: { user, entry, readN },
      });
    }
    for (const user of this.members.keys()) this.departed.delete(user);
  }

  /** The conversation as a member, or one who just ceased to be one, sees it. */
  entryFor(user: UserId): Entry | undefined {
    const member = this.members.get(user);
    if (member === undefined) return this.departed.get(user)?.inbox.entry;
    return this.isShownTo(user) ? this.#entry(member) : undefined;
  }

  /** Whether a member may be shown the conversation: not the peer of a direct before its first message. */
  isShownTo(user: UserId): boolean {
    return this.conversation.kind !== 'direct' || this.head > 0 || this.#creators.has(user);
  }

  /** The member of a direct is shown it from now on, message or none. */
  showDirectTo(user: UserId): void {
    if (this.members.has(user)) this.#creators.add(user);
  }

  #entry(member: Member): Entry {
    const { conv, kind, title } = this.conversation;
    return {
      conv,
      kind,
      title,
      peer: kind === 'direct' ? this.#peerOf(member.user) : undefined,
      role: member.role,
      removed: undefined,
      head: this.head,
      n: this.n,
      ts: this.ts,
      read: member.read,
      unread: this.n - member.readN,
      preview: this.#previewOfLast(),
      ...shownPrefs(member.prefs),
      ...(member.mentions && { mentions: member.mentions.seqs.length }),
    };
  }

  #peerOf(user: UserId): UserId | undefined {
    for (const other of this.members.keys()) if (other !== user) return other;
    return undefined;
  }

  #previewOfLast(): Preview | undefined {
    const frame = this.#lastMessage;
    if (frame === undefined || this.#preview !== undefined) return this.#preview;
    const text = messageIsText(frame) ? [...messageText(frame).slice(0, 2 * LIMITS.previewCharsMax)] : [];
    this.#preview = {
      seq: readU64(frame, SEQ_AT),
      from: messageFrom(frame),
      kind: messageKind(frame),
      text: text.slice(0, LIMITS.previewCharsMax).join(''),
    };
    return this.#preview;
  }

  /** All that another process needs to go on from here. */
  handOver(): HandOver {
    return {
      conversation: this.conversationRow(),
      members: [...this.members.values()].map((member) => this.memberRow(member)),
      head: this.head,
      tail: this.tail.events(),
      lastMessage: this.#lastMessage,
      ids: this.window.committed(),
      coversFrom: this.window.coversFrom,
    };
  }

  conversationRow(): ConversationRow {
    const { conversation, version, mentioned } = this;
    return { ...conversation, version, ...(mentioned > 0 && { mentioned }) };
  }

  memberRow(member: Member): MemberRow {
    const { user, role, join, read, readN, delivered, shown, prefs, mentions } = member;
    const row = { user, role, join, left: 0, read, readN, delivered };
    return {
      ...row,
      ...(shown !== undefined && { shown }),
      ...(prefs && { prefs }),
      ...(mentions && { mentions }),
    };
  }

  inboxRow(member: Member): InboxRow {
    const { user, readN, mentions } = member;
    return { user, entry: this.#entry(member), readN, ...(mentions && { mentions }) };
  }
}

function memberOf(row: MemberRow, fence: number): Member {
  const { user, role, join, read, readN, delivered, shown, prefs } = row;
  const member: Member = { user, role, join, read, readN, delivered, dirty: false };
  if (shown !== undefined && shown >= join) member.shown = shown; // else of an earlier membership
  member.mentions = unreadMentions(row.mentions, read);
  if (prefs !== undefined) member.prefs = { ...prefs, at: prefsAt(fence, 0) };
  return member;
}

function idOf(seq: Seq, env: Uint8Array): KnownId {
  const hash = payloadHash(messageKind(env), messageBody(env), messageIsText(env));
  const [user, device, cmid, ts] = [
    messageFrom(env),
    messageDevice(env),
    messageCmid(env),
    readU64(env, TS_AT),
  ];
  return { user, device, cmid, seq, ts, hash };
}
