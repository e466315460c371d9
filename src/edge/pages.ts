import {
  type Logger,
  type MessageStore,
  type ProjectionStore,
  StoreUnavailable,
  logUnlessAway,
} from '../core/ports.ts';
import type { GrantAnswer, HistoryRequest } from '../core/requests.ts';
import { LIMITS } from '../protocol/limits.ts';
import { encodePage } from '../protocol/server-codec.ts';
import type { Audiences } from './audiences.ts';
import type { Backlog } from './backlog.ts';
import type { EdgeBounds } from './bounds.ts';
import { listBehind, listFirst } from './inbox-list.ts';
import type { OpenRequests } from './open-requests.ts';
import type { ReadGate } from './read-gate.ts';
import type { Replies } from './replies.ts';
import type { PageJob, Session } from './session.ts';
import type { TurnWriter } from './turn-writer.ts';

type ConversationsJob = Extract<PageJob, { t: 'conversations' }>;

export interface PagesOptions {
  readonly logger: Logger;
  readonly bounds: EdgeBounds;
  readonly messages: Pick<MessageStore, 'read'>;
  readonly projections: Pick<ProjectionStore, 'inbox'>;
  readonly gate: ReadGate;
  readonly open: OpenRequests;
  readonly audiences: Audiences;
  readonly backlog: Backlog;
  readonly writer: TurnWriter;
  readonly replies: Replies;
}

/**
 * Answers `history` and `conversations`, one page of a session after the other, each when its socket has room: a
 * page is neither read nor encoded before it can be written. At most LIMITS.openReadsMax wait per session.
 */
export class Pages {
  readonly #options: PagesOptions;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  add(session: Session, job: PageJob): void {
    session.pages ??= [];
    session.pages.push(job);
    this.pump(session);
  }

  /** Goes on with what waits: there may be room now. */
  pump(session: Session): void {
    const { bounds, logger } = this.#options;
    while (!session.readingPage && session.pages !== undefined && session.mode !== 'closed') {
      if (session.outBytes > bounds.pageWaitBytes || session.socket.bufferedBytes() > bounds.pageWaitBytes)
        return;
      const job = session.pages.shift() as PageJob;
      if (session.pages.length === 0) session.pages = undefined;
      if (job.t === 'history' && job.answer.t === 'page') {
        const { head, frames, more } = job.answer;
        this.#page(session, job.request, head, frames, more);
        continue;
      }
      session.readingPage = true;
      const reading =
        job.t === 'history'
          ? this.#read(session, job.request, job.answer as GrantAnswer)
          : this.#list(session, job);
      void reading
        .catch((err: unknown) => {
          logUnlessAway(logger, err, { user: session.user }, 'a page failed');
          this.#fail(session, job, err instanceof StoreUnavailable);
        })
        .then(() => {
          session.readingPage = false;
          this.pump(session);
        });
    }
  }

  /** Within the grant all is committed, and the user may read it. */
  async #read(session: Session, request: HistoryRequest, grant: GrantAnswer): Promise<void> {
    const { from, to, newestFirst, limit, head, moreBeyond } = grant;
    const rows =
      from > to
        ? []
        : await this.#options.messages.read(request.conv, from, to, newestFirst, {
            rowsMax: limit,
            bytesMax: LIMITS.pageBytesMax,
          });
    const isCut = rows.length < to - from + 1;
    this.#page(
      session,
      request,
      head,
      rows.map((row) => row.env),
      isCut || moreBeyond,
    );
  }

  async #list(session: Session, job: ConversationsJob): Promise<void> {
    const { gate, projections, replies } = this.#options;
    const { rows } = await gate.run(() => projections.inbox(session.user));
    const entries = rows.map((row) => row.entry);
    const behind = listBehind(entries, job.before);
    if (!this.#close(session, job.id)) return;
    if (behind === undefined) {
      const message =
        'before: it is none that a `welcome` or `conversations` told; leave it out to start anew.';
      replies.error(session, job.id, { re: 'conversations' }, 'invalid', message);
      return;
    }
    const { subprotocol } = session.socket;
    const page = listFirst(behind, job.limit, LIMITS.pageBytesMax, subprotocol);
    replies.frame(
      session,
      { t: 'conversations', id: job.id, conversations: page.entries, before: page.before, more: page.more },
      '*',
    );
    this.#shown(
      session,
      page.entries.map((entry) => entry.conv),
      entries.map((entry) => entry.conv),
      page.more,
    );
  }

  /** The session has now been shown `page`; once it was shown all, nothing need be remembered. */
  #shown(session: Session, page: readonly string[], all: readonly string[], more: boolean): void {
    const { backlog, audiences } = this.#options;
    if (session.listed === undefined) return;
    for (const conv of page) backlog.show(session, conv);
    const { listed } = session;
    if (!more && all.every((conv) => listed.has(conv))) {
      session.listed = undefined;
      audiences.place(session);
    } else {
      for (const conv of page) audiences.placeIn(session, conv);
    }
  }

  #page(
    session: Session,
    request: HistoryRequest,
    head: number,
    frames: readonly Uint8Array[],
    more: boolean,
  ): void {
    if (!this.#close(session, request.id)) return;
    const { subprotocol } = session.socket;
    this.#options.writer.queue(
      session,
      encodePage(request.id, request.conv, head, frames, more, subprotocol),
      '',
    );
  }

  #fail(session: Session, job: PageJob, isAway: boolean): void {
    const id = job.t === 'history' ? job.request.id : job.id;
    if (!this.#close(session, id)) return;
    const { replies } = this.#options;
    const re = { re: job.t };
    if (isAway) replies.error(session, id, re, 'unavailable', 'The store cannot be read now.');
    else replies.error(session, id, re, 'internal', 'The page could not be read.');
  }

  /** The request is answered now; false: nobody waits for it any more. */
  #close(session: Session, id: number): boolean {
    if (!this.#options.open.answered(session, id)) return false;
    session.openReads--;
    return true;
  }
}
