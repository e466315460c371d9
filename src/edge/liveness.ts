import type { System, Timer } from '../core/ports.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Backlog } from './backlog.ts';
import type { EdgeBounds } from './bounds.ts';
import type { SessionCloser } from './farewell.ts';
import type { Registry } from './registry.ts';
import type { Session } from './session.ts';

const TICK_MS = 1_000;
/** The wheel's places: each session's comes by once in a ping interval. */
const PLACES = LIMITS.pingEveryMs / TICK_MS;

export interface LivenessOptions {
  readonly system: System;
  readonly bounds: EdgeBounds;
  readonly registry: Registry;
  readonly backlog: Backlog;
  readonly closer: SessionCloser;
}

/**
 * One timer for all sessions: pings, and deadlines. A wheel comes by each session every 20 s; those with a deadline
 * before it comes by again are looked at every second.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #wheel: Set<Session>[] = Array.from({ length: PLACES }, () => new Set<Session>());
  /** Sessions with a deadline near. */
  readonly #watched = new Set<Session>();
  /** Sessions whose sockets may hold unsent bytes. */
  readonly #buffered = new Set<Session>();
  readonly #timer: Timer;
  #place = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#timer = options.system.every(TICK_MS, () => this.#tick());
  }

  add(session: Session): void {
    this.#wheelOf(session).add(session);
    this.#watched.add(session);
  }

  /** Looks at the session's deadlines from now on. */
  watch(session: Session): void {
    this.#watched.add(session);
  }

  buffers(session: Session): void {
    if (session.isBuffered) return;
    session.isBuffered = true;
    this.#buffered.add(session);
  }

  forget(session: Session): void {
    this.#wheelOf(session).delete(session);
    this.#watched.delete(session);
    this.#buffered.delete(session);
  }

  stop(): void {
    this.#timer.cancel();
  }

  #wheelOf(session: Session): Set<Session> {
    return this.#wheel[session.number % PLACES] as Set<Session>;
  }

  #tick(): void {
    const { system, registry, backlog } = this.#options;
    const now = system.monotonic();
    const unix = system.now();
    this.#place = (this.#place + 1) % PLACES;
    for (const session of this.#wheel[this.#place] as Set<Session>) this.#visit(session, now);
    for (const session of this.#watched) this.#check(session, now, unix);
    for (const session of backlog.slow) this.#checkSlow(session, now);
    this.#boundBuffers();
    registry.prune(now);
  }

  #visit(session: Session, now: number): void {
    if (session.mode !== 'new') session.socket.ping();
    if (session.socket.bufferedBytes() > 0) this.buffers(session);
    if (session.open?.size === 0) session.open = undefined;
    session.lanes?.prune(now);
    this.#watched.add(session);
  }

  /** Ends a session whose time is up; one with no deadline before the wheel comes by again is left to it. */
  #check(session: Session, now: number, unix: number): void {
    const { closer } = this.#options;
    const silenceMs = LIMITS.silenceMsMax - (now - session.heardAt);
    const expiryMs = session.expiresAt - unix;
    const helloMs =
      session.mode === 'new' ? LIMITS.helloTimeoutMs - (now - session.openedAt) : Number.POSITIVE_INFINITY;
    if (helloMs <= 0) closer.close(session, 'protocol');
    else if (expiryMs <= 0) closer.close(session, 'unauthenticated');
    else if (silenceMs <= 0) closer.close(session, 'slow_consumer');
    else if (Math.min(helloMs, expiryMs, silenceMs) > LIMITS.pingEveryMs + TICK_MS)
      this.#watched.delete(session);
  }

  #checkSlow(session: Session, now: number): void {
    const { bounds, closer, backlog } = this.#options;
    if (now - session.pullSince > bounds.pullMsMax) closer.close(session, 'slow_consumer');
    else backlog.settle(session);
  }

  /** Beyond the node's bound the fullest sockets are closed. */
  #boundBuffers(): void {
    const { bounds, closer } = this.#options;
    const sizes: [Session, number][] = [];
    let total = 0;
    for (const session of this.#buffered) {
      const bytes = session.socket.bufferedBytes();
      if (bytes === 0) {
        session.isBuffered = false;
        this.#buffered.delete(session);
        continue;
      }
      sizes.push([session, bytes]);
      total += bytes;
    }
    if (total <= bounds.nodeBufferedBytesMax) return;
    sizes.sort((a, b) => b[1] - a[1]);
    for (const [session, bytes] of sizes) {
      if (total <= bounds.nodeBufferedBytesMax) return;
      total -= bytes;
      closer.close(session, 'slow_consumer');
    }
  }
}
