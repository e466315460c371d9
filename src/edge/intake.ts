import type { ErrorCode } from '../core/errors.ts';
import type { ConversationId } from '../core/ids.ts';
import type { OwnerLink, System } from '../core/ports.ts';
import type { NodeRequest } from '../core/requests.ts';
import type {
  Create,
  History,
  ListConversations,
  Members,
  Read,
  Unwatch,
  Watch,
} from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import { type Decoded, type DecodedSend, decodeClient, type Refusal } from '../protocol/server-codec.ts';
import type { EdgeBounds } from './bounds.ts';
import type { SessionCloser } from './farewell.ts';
import type { Greeting } from './greeting.ts';
import { Lanes } from './lanes.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Pages } from './pages.ts';
import type { SendRate } from './registry.ts';
import { type Replies, RETRY_AFTER_MS } from './replies.ts';
import {
  createRequest,
  deliveredRequest,
  historyRequest,
  membersRequest,
  readRequest,
  prefsRequest,
  receiptsRequest,
  sendRequest,
  typingRequest,
} from './requests.ts';
import type { Session } from './session.ts';
import type { Watches } from './watches.ts';

export interface IntakeOptions {
  /** The edge's id. */
  readonly id: string;
  readonly system: System;
  readonly rate: SendRate;
  readonly bounds: EdgeBounds;
  readonly open: OpenRequests;
  readonly pages: Pages;
  readonly greeting: Greeting;
  readonly replies: Replies;
  readonly watches: Watches;
  readonly closer: SessionCloser;
  readonly owners: () => OwnerLink;
  /** Whether the edge is leaving. */
  readonly isLeaving: () => boolean;
}

/** When a bound of one connection is reached. */
const OVERLOADED_RETRY_MS = 200;

type Known = Exclude<Decoded, Refusal>;
interface Refused {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number;
}

/** Takes clients' frames in: checks what concerns the connection, and passes the rest to the owners. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** `bytes` is valid during the call only. */
  take(session: Session, bytes: Uint8Array, isBinary: boolean): void {
    const frame = decodeClient(bytes, isBinary, session.socket.subprotocol);
    if (session.mode === 'new') this.#first(session, frame);
    else if (frame.t === 'refused') this.#refused(session, frame);
    else if ('id' in frame && this.#options.open.isOpen(session, frame.id))
      this.#options.closer.close(session, 'protocol');
    else this.#request(session, frame);
  }

  /** `hello` comes first; one with a fault in it may be mended. */
  #first(session: Session, frame: Decoded): void {
    const { greeting, closer, replies } = this.#options;
    if (frame.t === 'hello') greeting.hello(session, frame);
    else if (frame.t === 'refused' && frame.close !== undefined) closer.close(session, frame.close);
    else if (frame.t === 'refused' && frame.re === 'hello')
      replies.error(session, 0, { re: 'hello' }, frame.code, frame.message);
    else closer.close(session, 'protocol');
  }

  #refused(session: Session, frame: Refusal): void {
    const { closer, open, replies } = this.#options;
    const { id = 0, re = '', conv, code, message } = frame;
    if (frame.close !== undefined) closer.close(session, frame.close);
    else if (id !== 0 && open.isOpen(session, id)) closer.close(session, 'protocol');
    else replies.error(session, id, { re, conv }, code, message);
  }

  #request(session: Session, frame: Known): void {
    const { system, closer, replies, greeting } = this.#options;
    if (frame.t === 'hello') {
      closer.close(session, 'protocol');
      return;
    }
    const refused = this.#connectionRefuses(session, frame);
    if (refused !== undefined) {
      if (frame.t === 'send') this.#holdLane(session, frame, refused);
      const [id, conv] = 'id' in frame ? [frame.id, undefined] : [0, frame.conv];
      replies.error(session, id, { re: frame.t, conv }, refused.code, refused.message, refused.retryAfterMs);
      return;
    }
    switch (frame.t) {
      case 'send':
        return this.#send(session, frame);
      case 'history':
        return this.#history(session, frame);
      case 'conversations':
        return this.#conversations(session, frame);
      case 'create':
        return this.#create(session, frame);
      case 'members':
        return this.#submit(session, membersRequest(this.#options.id, session, frame satisfies Members));
      case 'read':
        return this.#options.owners().submit(readRequest(this.#options.id, session, frame satisfies Read));
      case 'delivered':
        return this.#options.owners().submit(deliveredRequest(this.#options.id, session, frame));
      case 'typing':
        return this.#options.owners().submit(typingRequest(this.#options.id, session, frame));
      case 'prefs':
        return this.#submit(session, prefsRequest(this.#options.id, session, frame));
      case 'receipts':
        return this.#submit(session, receiptsRequest(this.#options.id, session, frame));
      case 'watch':
      case 'unwatch':
        return this.#watch(session, frame);
      case 'auth':
        this.#options.open.open(session, frame.id);
        return greeting.auth(session, frame);
      case 'ping':
        return replies.frame(session, { t: 'pong', id: frame.id, now: system.now() }, '');
    }
  }

  /** What stands against any frame of this connection now. */
  #connectionRefuses(session: Session, frame: Known): Refused | undefined {
    const { system, rate, bounds, open, isLeaving } = this.#options;
    if (frame.t !== 'ping' && isLeaving())
      return { code: 'unavailable', message: 'This node is leaving.', retryAfterMs: RETRY_AFTER_MS };
    const perSecond = rate.sendsPerSecond * bounds.frameRateFactor;
    if (!session.frames.take(system.monotonic(), perSecond, rate.burst * bounds.frameRateFactor)) {
      const message = 'Too many frames from this connection.';
      return { code: 'rate_limited', message, retryAfterMs: session.frames.retryAfterMs(perSecond) };
    }
    if (frame.t !== 'ping' && 'id' in frame && open.count(session) >= LIMITS.openRequestsMax)
      return overloaded(
        `This connection has ${LIMITS.openRequestsMax} unanswered requests, the most it may.`,
      );
    return undefined;
  }

  #send(session: Session, frame: DecodedSend): void {
    const { id, bounds, system, open, owners, replies } = this.#options;
    session.lanes ??= new Lanes(bounds.lanesMax);
    const refused = this.#sendRefused(session, session.lanes, frame, system.monotonic());
    if (refused !== undefined) {
      replies.error(session, frame.id, { re: 'send' }, refused.code, refused.message, refused.retryAfterMs);
      return;
    }
    open.open(session, frame.id);
    owners().submit(sendRequest(id, session, frame, session.lanes.enter(frame.conv, frame.cmid)));
  }

  #sendRefused(
    session: Session,
    lanes: Lanes,
    { conv, retry, cmid }: DecodedSend,
    now: number,
  ): Refused | undefined {
    const held = lanes.refusal(conv, cmid, retry, now);
    if (held !== undefined) {
      const message =
        'A send before this one was refused: wait, and send that one again first, flagged `retry`.';
      return { code: held.code, message, retryAfterMs: held.retryAfterMs };
    }
    const { sendsPerSecond, burst } = this.#options.rate;
    const bucket = session.account?.sends;
    if (bucket === undefined || bucket.take(now, sendsPerSecond, burst)) return undefined;
    const message = `You may send ${sendsPerSecond} messages a second, ${burst} at once.`;
    const refused: Refused = {
      code: 'rate_limited',
      message,
      retryAfterMs: bucket.retryAfterMs(sendsPerSecond),
    };
    this.#holdLane(session, { conv, cmid }, refused);
    return refused;
  }

  /** Later sends there wait as long as this one must. */
  #holdLane(
    session: Session,
    { conv, cmid }: { readonly conv: ConversationId; readonly cmid: string },
    { code, retryAfterMs }: Refused,
  ): void {
    const { bounds, system } = this.#options;
    session.lanes ??= new Lanes(bounds.lanesMax);
    session.lanes.hold(conv, cmid, code, retryAfterMs, system.monotonic());
  }

  #history(session: Session, frame: History): void {
    if (!this.#mayRead(session, frame)) return;
    this.#submit(session, historyRequest(this.#options.id, session, frame));
  }

  #conversations(session: Session, { t, id, before, limit }: ListConversations): void {
    if (!this.#mayRead(session, { t, id })) return;
    const { open, pages } = this.#options;
    open.open(session, id);
    pages.add(session, { t, id, before, limit: limit ?? LIMITS.conversationsLimitDefault });
  }

  /** Takes one of the connection's places for pages. */
  #mayRead(session: Session, { t, id }: { t: string; id: number }): boolean {
    if (session.openReads < LIMITS.openReadsMax) {
      session.openReads++;
      return true;
    }
    const { code, message, retryAfterMs } = overloaded(
      `This connection waits for ${LIMITS.openReadsMax} pages, the most it may.`,
    );
    this.#options.replies.error(session, id, { re: t }, code, message, retryAfterMs);
    return false;
  }

  #watch(session: Session, { t, id, users }: Watch | Unwatch): void {
    const { watches, replies } = this.#options;
    const refusal = t === 'watch' ? watches.refusal(session, users) : undefined;
    if (refusal === 'session') {
      const message = `users: a connection watches up to ${LIMITS.watchedUsersMax} users; unwatch some of them.`;
      replies.error(session, id, { re: t }, 'too_large', message);
    } else if (refusal === 'edge') {
      const { code, message, retryAfterMs } = overloaded('Too many users are watched here.');
      replies.error(session, id, { re: t }, code, message, retryAfterMs);
    } else {
      replies.frame(session, { t: 'ok', id }, '');
      if (t === 'watch') watches.watch(session, users);
      else watches.unwatch(session, users);
    }
  }

  #create(session: Session, frame: Create): void {
    const { id, system, replies } = this.#options;
    const request = createRequest(id, session, frame, system);
    if (request.t === 'create') this.#submit(session, request);
    else replies.error(session, frame.id, { re: 'create' }, request.code, request.message);
  }

  #submit(session: Session, request: NodeRequest): void {
    this.#options.open.open(session, request.id);
    this.#options.owners().submit(request);
  }
}

function overloaded(message: string): Refused {
  return { code: 'overloaded', message, retryAfterMs: OVERLOADED_RETRY_MS };
}
