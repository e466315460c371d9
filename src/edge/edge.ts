import type { EdgeLink, Logger, MessageStore, OwnerLink, ProjectionStore, System } from '../core/ports.ts';
import type { UserId } from '../core/ids.ts';
import type { Presence } from '../core/presence-port.ts';
import type { Answer, Delivery, NodeRequest } from '../core/requests.ts';
import { Answers } from './answers.ts';
import { Audiences } from './audiences.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { Backlog } from './backlog.ts';
import { Badges } from './badges.ts';
import { EDGE_BOUNDS, type EdgeBounds } from './bounds.ts';
import { CatchUp } from './catch-up.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { FanOut, type Publisher } from './fan-out.ts';
import { Farewell } from './farewell.ts';
import { Greeting } from './greeting.ts';
import { HaveProbes } from './have-probes.ts';
import { HeldInputs } from './held-input.ts';
import { Intake } from './intake.ts';
import { Leaving } from './leaving.ts';
import { Liveness } from './liveness.ts';
import { OpenRequests } from './open-requests.ts';
import { Pages } from './pages.ts';
import { PresenceReports } from './presence-reports.ts';
import { TokenBucket } from './rate-limit.ts';
import { ReadGate } from './read-gate.ts';
import { type Account, Registry } from './registry.ts';
import { Replies } from './replies.ts';
import { Resyncs } from './resyncs.ts';
import { EventFrame, type Outgoing, Session } from './session.ts';
import { SettingsNews } from './settings.ts';
import type { Socket, SocketHandlers } from './socket.ts';
import { TurnWriter, type WriteListener } from './turn-writer.ts';
import { Watches } from './watches.ts';

export interface EdgeSettings {
  /** Of one user, over all devices. */
  readonly sendsPerSecond: number;
  readonly burst: number;
  /** On leaving, clients are asked to come back after 0.5 s to this. */
  readonly reconnectSpreadMs: number;
}

export interface EdgeOptions {
  /** Of this term: sessions are numbered anew under each. */
  readonly id: string;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly messages: Pick<MessageStore, 'read'>;
  readonly projections: Pick<ProjectionStore, 'inbox' | 'inboxRow'>;
  readonly presence: Presence;
  readonly authenticator: Authenticator;
  readonly settings: EdgeSettings;
  /** For tests. */
  readonly bounds?: Partial<EdgeBounds>;
}

/** Sessions over sockets: what clients say goes to owners, what owners say goes to clients. */
export interface Edge extends EdgeLink {
  /** For the socket server. */
  readonly handlers: SocketHandlers<Session>;
  /** Owners and edges know one another: to be called before the first socket opens. */
  useOwners(owners: OwnerLink): void;
  /** The server of the sockets, once it listens: until then events go socket by socket. */
  usePublisher(publisher: Publisher): void;
  /**
   * Events for the user may have been lost on their way here: the inbox is read again, and what is news to them is told
   * to the user's sessions. Tried until the store answers, while the user is here. Owners hear nothing of it.
   */
  resync(user: UserId): void;
  /**
   * Takes no new sessions and requests, lets those under way be answered for up to `deadlineMs`, then closes every
   * session with `draining`. Resolves when none is left.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Stops the timers. Nothing is said to owners or asked of the store on its own any more. */
  stop(): void;
}

export function createEdge(options: EdgeOptions): Edge {
  return new LocalEdge(options);
}

class LocalEdge implements Edge, WriteListener {
  readonly handlers: SocketHandlers<Session> = {
    open: (socket) => this.#opened(socket),
    message: (session, bytes, isBinary) => this.#message(session, bytes, isBinary),
    alive: (session) => {
      session.heardAt = this.#options.system.monotonic();
    },
    drain: (session) => this.#drained(session),
    dropped: (session) => this.#lost(session),
    closed: (session) => this.#forget(session),
  };
  readonly #options: EdgeOptions;
  readonly #bounds: EdgeBounds;
  readonly #registry: Registry;
  readonly #open = new OpenRequests();
  readonly #farewell: Farewell;
  readonly #audiences: Audiences;
  readonly #backlog: Backlog;
  readonly #pages: Pages;
  readonly #answers: Answers;
  readonly #fanOut: FanOut;
  readonly #heldInputs: HeldInputs;
  readonly #intake: Intake;
  readonly #liveness: Liveness;
  readonly #leaving: Leaving;
  readonly #resyncs: Resyncs;
  readonly #presence: PresenceReports;
  readonly #watches: Watches;
  readonly #badges: Badges;
  #owners: OwnerLink | undefined;
  #isLeaving = false;
  #isStopped = false;
  #lastSession = 0;

  constructor(options: EdgeOptions) {
    const { system, metrics, settings, projections } = options;
    const bounds = { ...EDGE_BOUNDS, ...options.bounds };
    this.#options = options;
    this.#bounds = bounds;
    this.#registry = new Registry(settings, bounds.lingeringUsersMax);
    this.#audiences = new Audiences(bounds, (user) => this.#registry.account(user)?.sessions);
    const writer = new TurnWriter(system, metrics, this);
    const replies = new Replies(writer, metrics);
    this.#farewell = new Farewell(writer, replies, metrics, (session) => this.#forget(session));
    /** Each part takes of these what it names in its options. */
    const basis = {
      ...options,
      bounds,
      rate: settings,
      reconnectSpreadMs: settings.reconnectSpreadMs,
      registry: this.#registry,
      audiences: this.#audiences,
      open: this.#open,
      gate: new ReadGate(bounds.inboxReadsMax),
      writer,
      replies,
      closer: this.#farewell,
      owners: () => this.#ownersInUse(),
      probes: new HaveProbes({ id: options.id, replies, owners: () => this.#ownersInUse() }),
      isLeaving: () => this.#isLeaving,
      answered: (session: Session, id: number) => void this.#open.answered(session, id),
      watch: (session: Session) => this.#liveness.watch(session),
      joined: (session: Session) => this.#presence.joined(session),
      settled: (session: Session) => {
        this.#watches.settle(session);
        settingsNews.settle(session);
      },
      welcomed: (session: Session) => this.#welcomed(session),
    };
    this.#presence = new PresenceReports(basis);
    this.#backlog = new Backlog({ ...basis, projections });
    this.#watches = new Watches(basis);
    this.#badges = new Badges(basis);
    const settingsNews = new SettingsNews(basis);
    const withBacklog = {
      ...basis,
      backlog: this.#backlog,
      settings: settingsNews,
      badges: this.#badges,
      watches: this.#watches,
    };
    this.#pages = new Pages(withBacklog);
    this.#fanOut = new FanOut(withBacklog);
    this.#liveness = new Liveness(withBacklog);
    this.#answers = new Answers({ ...basis, pages: this.#pages });
    const greeting = new Greeting({ ...basis, catchUp: new CatchUp(withBacklog) });
    this.#intake = new Intake({ ...withBacklog, pages: this.#pages, greeting });
    this.#heldInputs = new HeldInputs(bounds, this.#farewell);
    this.#leaving = new Leaving(basis);
    this.#resyncs = new Resyncs({ ...withBacklog, fanOut: this.#fanOut });
  }

  useOwners(owners: OwnerLink): void {
    this.#owners = owners;
  }

  usePublisher(publisher: Publisher): void {
    this.#fanOut.publisher = publisher;
    this.#audiences.topicsAllowed = true;
  }

  answer(request: NodeRequest, answer: Answer): void {
    this.#answers.answer(request, answer);
  }

  deliver(delivery: Delivery): void {
    this.#fanOut.deliver(delivery);
  }

  resync(user: UserId): void {
    this.#resyncs.resync(user);
  }

  drain(deadlineMs: number): Promise<void> {
    this.#isLeaving = true;
    return this.#leaving.leave(deadlineMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#liveness.stop();
    this.#presence.stop();
    this.#badges.stop();
    this.#resyncs.stop();
  }

  // --- what the writer says ---

  dropped(session: Session, out: readonly Outgoing[], from: number): void {
    if (session.mode === 'closed') return;
    const lost = out.slice(from);
    if (!lost.every((item) => item instanceof EventFrame)) {
      this.#farewell.hangUp(session); // an answer was among them, which may not vanish
      return;
    }
    this.#lost(session);
    for (const event of lost) this.#backlog.miss(session, event.delivery);
  }

  written(session: Session, bufferedBytes: number): void {
    if (session.mode === 'closed') return;
    if (bufferedBytes > 0) this.#liveness.buffers(session);
    if (bufferedBytes > this.#bounds.pullBytesMin) this.#backlog.turnToPull(session);
    if (session.pages !== undefined) this.#pages.pump(session);
    if (session.marks !== undefined || session.mode === 'pull') this.#backlog.settle(session);
  }

  // --- what sockets say ---

  #opened(socket: Socket): Session {
    const { system, metrics, settings } = this.#options;
    const now = system.monotonic();
    const frames = new TokenBucket(settings.burst * this.#bounds.frameRateFactor, now);
    const session = new Session(++this.#lastSession, socket, frames, now);
    this.#registry.add(session);
    this.#liveness.add(session);
    metrics.gauges.connections++;
    return session;
  }

  #message(session: Session, bytes: Uint8Array, isBinary: boolean): void {
    if (session.mode === 'closed') return;
    session.heardAt = this.#options.system.monotonic();
    this.#options.metrics.counts.framesIn++;
    if (session.mode === 'greeting') this.#heldInputs.hold(session, bytes, isBinary);
    else this.#intake.take(session, bytes, isBinary);
  }

  readonly #take = (session: Session, bytes: Uint8Array, isBinary: boolean): void => {
    this.#intake.take(session, bytes, isBinary);
  };

  #drained(session: Session): void {
    if (session.mode === 'closed') return;
    this.#pages.pump(session);
    this.#backlog.settle(session);
  }

  #lost(session: Session): void {
    this.#liveness.buffers(session);
    this.#backlog.turnToPull(session);
  }

  /** Takes the session out of everything, once. */
  #forget(session: Session): void {
    if (session.mode === 'closed') return;
    const { metrics, system } = this.#options;
    const { account } = session;
    session.mode = 'closed';
    metrics.gauges.connections--;
    this.#audiences.remove(session);
    this.#registry.remove(session, system.monotonic());
    if (account !== undefined) this.#left(session, account);
    this.#open.forget(session);
    this.#heldInputs.forget(session);
    this.#liveness.forget(session);
    this.#backlog.forget(session);
    if (this.#isStopped) session.watching = undefined;
    else this.#watches.forget(session);
    session.pages = undefined;
    session.marks = undefined;
    session.listed = undefined;
    session.lanes = undefined;
  }

  /** A session that was announced is none of its user's any more. */
  #left(session: Session, account: Account): void {
    this.#options.metrics.gauges.sessions--;
    this.#presence.left(session, account);
    if (account.sessions.length > 0) return;
    this.#resyncs.forget(account.user);
    this.#badges.forget(account.user);
    if (!this.#isStopped) this.#ownersInUse().depart(account.user);
  }

  #welcomed(session: Session): void {
    if (session.mustResync) this.#resyncs.resync(session.user);
    session.mustResync = false;
    this.#heldInputs.release(session, this.#take);
  }

  #ownersInUse(): OwnerLink {
    if (this.#owners === undefined) throw new Error('the edge was given no owners');
    return this.#owners;
  }
}
