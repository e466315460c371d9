import { badgeOf, type Entry } from '../core/entry.ts';
import type { ConversationId, Seq } from '../core/ids.ts';
import {
  type Logger,
  type OwnerLink,
  type ProjectionStore,
  logUnlessAway,
  type System,
} from '../core/ports.ts';
import type { Inbox, InboxRow } from '../core/rows.ts';
import { UNSET } from '../core/users.ts';
import type { Hello } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Backlog } from './backlog.ts';
import type { EdgeBounds } from './bounds.ts';
import type { SessionCloser } from './farewell.ts';
import { standing } from './entry-order.ts';
import { byActivity, listFirst } from './inbox-list.ts';
import { type HaveProbes, isBeyondReach } from './have-probes.ts';
import type { ReadGate } from './read-gate.ts';
import type { SendRate } from './registry.ts';
import { raiseCursor } from './marks.ts';
import { type Replies, RETRY_AFTER_MS } from './replies.ts';
import type { Session } from './session.ts';
import type { SettingsNews } from './settings.ts';
import { changedSince, cursorOf, shapeOf } from './sync-cursor.ts';

/** Each time more happened during the read than can be remembered. */
const INBOX_READS_MAX = 4;

export interface CatchUpOptions {
  /** The edge's id. */
  readonly id: string;
  readonly system: System;
  readonly logger: Logger;
  readonly rate: SendRate;
  readonly bounds: EdgeBounds;
  readonly projections: Pick<ProjectionStore, 'inbox'>;
  readonly gate: ReadGate;
  readonly backlog: Backlog;
  readonly replies: Replies;
  readonly probes: HaveProbes;
  readonly closer: SessionCloser;
  readonly settings: SettingsNews;
  readonly owners: () => OwnerLink;
  /** The session was welcomed. */
  readonly welcomed: (session: Session) => void;
}

/** From a session's registration to its `welcome`, and to what came meanwhile. */
export class CatchUp {
  readonly #options: CatchUpOptions;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** The session is registered: what is committed from now on is marked, so nothing falls between. */
  start(session: Session, hello: Hello): void {
    void this.#run(session, hello);
  }

  async #run(session: Session, hello: Hello): Promise<void> {
    const { logger, closer, replies, welcomed, backlog, settings } = this.#options;
    try {
      const inbox = await this.#readInbox(session);
      if (session.mode !== 'greeting') return; // it left
      if (inbox === undefined) {
        closer.close(session, 'internal', RETRY_AFTER_MS);
        return;
      }
      if (session.account !== undefined) settings.heard(session.account, inbox.settings);
      this.#welcome(session, hello, inbox.rows);
    } catch (err) {
      logUnlessAway(logger, err, { user: session.user }, 'a hello failed');
      if (session.mode === 'closed') return;
      replies.error(session, 0, { re: 'hello' }, 'unavailable', 'Your conversations cannot be read now.');
      closer.close(session, 'internal', RETRY_AFTER_MS);
      return;
    }
    backlog.begin(session);
    welcomed(session);
  }

  /** undefined: too much happened, again and again. */
  async #readInbox(session: Session): Promise<Inbox | undefined> {
    const { owners, gate, projections, backlog } = this.#options;
    for (let reads = 0; reads < INBOX_READS_MAX; reads++) {
      backlog.beginAnew(session);
      owners().announce(session.user);
      const inbox = await gate.run(() => projections.inbox(session.user));
      if (!session.marksOverflowed || session.mode !== 'greeting') return inbox;
    }
    return undefined;
  }

  #welcome(session: Session, hello: Hello, rows: readonly InboxRow[]): void {
    const { id, system, rate, replies, bounds } = this.#options;
    const inbox = merge(rows, session);
    const entries = [...inbox.values()];
    const have = new Map(hello.have);
    const hasChanged = changedSince(hello.cursor, entries);
    const wanted = entries
      .filter((entry) => hasChanged(entry) || (have.get(entry.conv) ?? entry.head) !== entry.head)
      .sort(byActivity);
    const { subprotocol } = session.socket;
    const listed = listFirst(wanted, LIMITS.welcomeEntriesMax, LIMITS.welcomeBytesMax, subprotocol);
    session.cursor = cursorOf(entries);
    session.shape = shapeOf(entries);
    const { receipts, presence, at } = session.account?.settings ?? UNSET;
    session.settingsAt = at;
    session.badge = badgeOf(entries, system.now());
    if (listed.more) session.listed = shown(entries, wanted, listed.entries.length, bounds.listedMax);
    replies.frame(
      session,
      {
        t: 'welcome',
        user: session.user,
        device: session.device,
        session: `${id}/${session.number}`,
        now: system.now(),
        limits: {
          bodyBytesMax: LIMITS.bodyBytesMax,
          frameBytesMax: subprotocol === 'json' ? LIMITS.jsonFrameBytesMax : LIMITS.binaryFrameBytesMax,
          sendsPerSecond: rate.sendsPerSecond,
          burst: rate.burst,
          heartbeatMs: LIMITS.pingEveryMs,
        },
        cursor: session.cursor,
        conversations: listed.entries,
        more: listed.more,
        before: listed.before,
        badge: session.badge,
        prefs: { receipts, presence },
      },
      '*',
    );
    this.#answerHave(session, have, inbox);
    settleMarks(session, inbox);
  }

  /** `reset` for what can't be caught up with, `conversation` for what may not be read. */
  #answerHave(
    session: Session,
    have: ReadonlyMap<ConversationId, Seq>,
    inbox: ReadonlyMap<ConversationId, Entry>,
  ): void {
    const { replies, probes } = this.#options;
    for (const [conv, seq] of have) {
      const entry = inbox.get(conv);
      const isKnown = entry !== undefined && entry.removed === undefined;
      const head = isKnown ? Math.max(entry.head, session.marks?.get(conv)?.seq ?? 0) : 0;
      const isDoubtful = entry === undefined || (isKnown && seq > head);
      if (isDoubtful && probes.ask(session, conv, seq)) continue;
      if (!isKnown) replies.frame(session, { t: 'conversation', conv, removed: entry?.removed ?? 0 }, conv);
      else if (isBeyondReach(seq, head)) replies.frame(session, { t: 'reset', conv }, conv);
    }
  }
}

/** The inbox as read, with what owners told meanwhile where that is newer. */
function merge(rows: readonly InboxRow[], session: Session): Map<ConversationId, Entry> {
  const inbox = new Map<ConversationId, Entry>();
  for (const { entry } of rows) inbox.set(entry.conv, entry);
  for (const [conv, { entry }] of session.marks?.entries() ?? []) {
    if (entry === undefined) continue;
    const row = inbox.get(conv);
    const ahead = row === undefined ? 1 : standing(entry) - standing(row);
    if (ahead > 0 || (ahead === 0 && entry.read >= (row?.read ?? 0))) inbox.set(conv, entry);
  }
  return inbox;
}

/** What a session knows that was listed only the first `count` of `wanted`: those, and what has not changed. */
function shown(
  entries: readonly Entry[],
  wanted: readonly Entry[],
  count: number,
  listedMax: number,
): Set<ConversationId> {
  const unlisted = new Set<ConversationId>();
  for (let i = count; i < wanted.length; i++) unlisted.add((wanted[i] as Entry).conv);
  const known = new Set<ConversationId>();
  for (const { conv } of entries) {
    if (known.size >= listedMax) break;
    if (!unlisted.has(conv)) known.add(conv);
  }
  return known;
}

/** Leaves those marks that go beyond what the session knows of by its `welcome`. */
function settleMarks(session: Session, inbox: ReadonlyMap<ConversationId, Entry>): void {
  for (const [conv, mark] of session.marks?.entries() ?? []) {
    const entry = inbox.get(conv);
    if (entry === undefined) continue;
    const isNews = mark.seq > entry.head && entry.removed === undefined;
    if (session.hasSeen(conv)) mark.entry = undefined;
    else if (mark.entry !== undefined || isNews) mark.entry = entry; // a page may yet show an older one
    raiseCursor(mark, entry.n - entry.unread);
    if (!isNews && mark.entry === undefined) session.marks?.delete(conv);
  }
  if (session.marks?.size === 0) session.marks = undefined;
}
