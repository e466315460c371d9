import type { ConversationId } from '../core/ids.ts';
import { type Logger, type ProjectionStore, logUnlessAway, type System } from '../core/ports.ts';
import type { EventDelivery } from '../core/requests.ts';
import type { InboxRow } from '../core/rows.ts';
import type { Audiences } from './audiences.ts';
import type { EdgeBounds } from './bounds.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { SessionCloser } from './farewell.ts';
import { type Mark, Marks, raiseCursor } from './marks.ts';
import { entryFrame, headFrame, receiptFrame, type Replies } from './replies.ts';
import type { Session } from './session.ts';

/** Rows read at the same time for one session. */
const ROWS_PER_READ = 32;
/** When a row could not be had. */
const READ_AGAIN_MS = 1_000;

export interface BacklogOptions {
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly bounds: EdgeBounds;
  readonly projections: Pick<ProjectionStore, 'inboxRow'>;
  readonly audiences: Audiences;
  readonly replies: Replies;
  readonly closer: SessionCloser;
  /** The session takes events again. */
  readonly settled: (session: Session) => void;
}

/**
 * What sessions missed, and telling them: one `head` per conversation, or its `conversation` where it was not
 * shown yet. Events are missed by sessions that are being greeted, that read too slowly (turned to pull), and, of
 * single conversations, by those who were not shown them yet.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  /** Sessions turned to pull. */
  readonly slow = new Set<Session>();

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Marks an event for a session that can't be sent it now. */
  miss(session: Session, delivery: EventDelivery): void {
    if (session.mode === 'closed' || delivery.t === 'typing') return; // that is of the moment
    const marks = this.#marksOf(session);
    if (!marked(marks, delivery)) this.#overflow(session);
    else if (session.mode === 'push') this.#hold(session, convOf(delivery));
  }

  /** Turns a session to pull: its socket can't take more. Published events may be among the lost. */
  turnToPull(session: Session): void {
    const { system, audiences, metrics } = this.#options;
    if (session.mode !== 'push') return;
    session.mode = 'pull';
    session.pullSince = system.monotonic();
    this.slow.add(session);
    metrics.gauges.pullSockets++;
    for (const { audience, lastSeq, lastN } of audiences.topicsOf(session)) {
      if (this.#marksOf(session).event(audience.conv, lastSeq, lastN)) continue;
      this.#overflow(session);
      return;
    }
    audiences.place(session);
  }

  /** Before the inbox of a session that is being greeted is read: it was told nothing of what was before. */
  beginAnew(session: Session): void {
    session.marks = undefined;
    session.marksOverflowed = false;
    session.since = this.#options.audiences.order;
  }

  /** After `welcome`: the first that a session is told is what it missed since its inbox was read. */
  begin(session: Session): void {
    session.mode = 'pull';
    session.pullSince = this.#options.system.monotonic();
    this.slow.add(session);
    this.#options.metrics.gauges.pullSockets++;
    this.settle(session);
  }

  /** Tells what was missed, if there is room for it, and goes back to push when nothing is left. */
  settle(session: Session): void {
    if (session.settling || (session.mode !== 'push' && session.mode !== 'pull')) return;
    if (session.mode === 'pull' && session.socket.bufferedBytes() > 0) return; // its drain comes by again
    const missing = this.#rowless(session);
    if (missing.length === 0) {
      this.#tell(session);
      return;
    }
    session.settling = true;
    void this.#read(session, missing);
  }

  /** The session has left. */
  forget(session: Session): void {
    if (this.slow.delete(session)) this.#options.metrics.gauges.pullSockets--;
  }

  #marksOf(session: Session): Marks {
    session.marks ??= new Marks(this.#options.bounds.marksMax);
    return session.marks;
  }

  /** The conversation waits for its row; the session's other events go on. */
  #hold(session: Session, conv: ConversationId): void {
    this.#options.audiences.placeIn(session, conv);
    this.settle(session);
  }

  #overflow(session: Session): void {
    if (session.mode === 'greeting') {
      session.marksOverflowed = true; // the inbox is read again before `welcome`
      session.marks = undefined;
    } else {
      this.#options.closer.close(session, 'slow_consumer');
    }
  }

  /** Marks that can't be told before the inbox row is there. */
  #rowless(session: Session): [ConversationId, Mark][] {
    const missing: [ConversationId, Mark][] = [];
    for (const item of session.marks?.entries() ?? []) {
      const [conv, mark] = item;
      const needed = mark.entry === undefined && ((mark.seq > 0 && mark.readN < 0) || !session.hasSeen(conv));
      if (!needed || mark.rowless) continue;
      missing.push(item);
      if (missing.length === ROWS_PER_READ) break;
    }
    return missing;
  }

  async #read(session: Session, missing: readonly [ConversationId, Mark][]): Promise<void> {
    const rows = await Promise.all(missing.map(([conv]) => this.#row(session, conv)));
    session.settling = false;
    const unseen: Mark[] = [];
    missing.forEach(([conv, mark], i) => {
      const row = rows[i];
      if (row === undefined) {
        mark.rowless = true;
        if (!session.hasSeen(conv)) unseen.push(mark);
        return;
      }
      raiseCursor(mark, row.readN);
      if (!session.hasSeen(conv)) mark.entry ??= row.entry;
    });
    if (unseen.length > 0) this.#readAgain(session, unseen);
    this.settle(session);
  }

  async #row(session: Session, conv: ConversationId): Promise<InboxRow | undefined> {
    const { projections, logger } = this.#options;
    try {
      return await projections.inboxRow(session.user, conv);
    } catch (err) {
      logUnlessAway(logger, err, { conv, user: session.user }, 'an inbox row was not read');
      return undefined;
    }
  }

  #readAgain(session: Session, unseen: readonly Mark[]): void {
    this.#options.system.after(READ_AGAIN_MS, () => {
      for (const mark of unseen) mark.rowless = false;
      this.settle(session);
    });
  }

  #tell(session: Session): void {
    const { marks } = session;
    const { bounds, audiences, metrics } = this.#options;
    const wasPull = session.mode === 'pull';
    for (const [conv, mark] of marks?.entries() ?? []) {
      if (session.outBytes > bounds.turnEventBytesMax) return; // goes on when the socket has taken that
      if (mark.entry === undefined && !session.hasSeen(conv)) continue; // its row is still to come
      marks?.delete(conv);
      this.#tellOne(session, conv, mark);
      if (!wasPull) audiences.placeIn(session, conv);
    }
    if (marks?.size === 0) session.marks = undefined;
    if (!wasPull) return;
    session.mode = 'push';
    if (this.slow.delete(session)) metrics.gauges.pullSockets--;
    audiences.place(session);
    this.#options.settled(session);
  }

  #tellOne(session: Session, conv: ConversationId, mark: Mark): void {
    const { replies } = this.#options;
    const { entry } = mark;
    if (entry !== undefined) {
      replies.frame(session, entryFrame(entry), conv);
      this.show(session, conv);
      if (entry.removed !== undefined) return;
    }
    if (mark.seq > (entry?.head ?? 0))
      replies.frame(session, headFrame(conv, mark.seq, mark.n, unreadOf(mark)), conv);
    if (mark.receipts) replies.frame(session, receiptFrame(conv, []), conv);
  }

  /** Remembers that the session was shown the conversation. */
  show(session: Session, conv: ConversationId): void {
    if (session.listed !== undefined && session.listed.size < this.#options.bounds.listedMax)
      session.listed.add(conv);
  }
}

/** False: there is no room to remember it. */
function marked(marks: Marks, delivery: Exclude<EventDelivery, { t: 'typing' }>): boolean {
  switch (delivery.t) {
    case 'message':
      return marks.event(delivery.conv, delivery.seq, delivery.n);
    case 'head':
      return marks.head(delivery.conv, delivery.seq, delivery.n, delivery.unread);
    case 'receipt':
    case 'cursor':
      return marks.receipt(delivery.conv);
    case 'conversation':
      return marks.entry(delivery.entry);
  }
}

function convOf(delivery: EventDelivery): ConversationId {
  return delivery.t === 'conversation' ? delivery.entry.conv : delivery.conv;
}

function unreadOf(mark: Mark): number | undefined {
  return mark.readN < 0 ? undefined : Math.max(0, mark.n - mark.readN);
}
