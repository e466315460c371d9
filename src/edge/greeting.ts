import type { System } from '../core/ports.ts';
import type { Auth, Hello } from '../protocol/frames.ts';
import type { Authenticator, Verdict } from './auth/authenticator.ts';
import type { Audiences } from './audiences.ts';
import type { CatchUp } from './catch-up.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { SessionCloser } from './farewell.ts';
import type { Registry } from './registry.ts';
import { type Replies, RETRY_AFTER_MS } from './replies.ts';
import type { Session } from './session.ts';

export interface GreetingOptions {
  readonly system: System;
  readonly metrics: EdgeMetrics;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly audiences: Audiences;
  readonly catchUp: CatchUp;
  readonly replies: Replies;
  readonly closer: SessionCloser;
  /** Whether the edge is leaving. */
  readonly isLeaving: () => boolean;
  /** The request with this id is answered. */
  readonly answered: (session: Session, id: number) => void;
  /** The session is one of its user's now. */
  readonly joined: (session: Session) => void;
  /** Has the session's deadlines looked at from now on. */
  readonly watch: (session: Session) => void;
}

/** Who a session is: `hello`, one connection per device, and `auth` before the token expires. */
export class Greeting {
  readonly #options: GreetingOptions;

  constructor(options: GreetingOptions) {
    this.#options = options;
  }

  hello(session: Session, hello: Hello): void {
    session.mode = 'greeting';
    const verdict = this.#options.authenticator.verify(hello.token);
    if (verdict instanceof Promise) void verdict.then((settled) => this.#verified(session, hello, settled));
    else this.#verified(session, hello, verdict);
  }

  auth(session: Session, auth: Auth): void {
    const verdict = this.#options.authenticator.verify(auth.token);
    if (verdict instanceof Promise) void verdict.then((settled) => this.#renewed(session, auth, settled));
    else this.#renewed(session, auth, verdict);
  }

  #verified(session: Session, hello: Hello, verdict: Verdict): void {
    const { system, registry, audiences, catchUp, replies, closer, metrics, isLeaving, watch, joined } =
      this.#options;
    if (session.mode !== 'greeting') return; // it left
    if (isLeaving()) {
      closer.close(session, 'draining', RETRY_AFTER_MS);
      return;
    }
    if (!verdict.ok) {
      replies.error(session, 0, { re: 'hello' }, verdict.code, verdict.message);
      if (verdict.code === 'unauthenticated') closer.close(session, 'unauthenticated');
      else closer.close(session, 'internal', RETRY_AFTER_MS);
      return;
    }
    session.user = verdict.user;
    session.device = hello.device;
    session.attempt = hello.attempt ?? 0;
    session.expiresAt = verdict.expiresAt ?? Number.POSITIVE_INFINITY;
    const rival = registry.account(session.user)?.of(session.device);
    if (rival !== undefined && rival.attempt > session.attempt) {
      closer.close(session, 'replaced');
      return;
    }
    registry.join(session, system.monotonic());
    joined(session);
    audiences.register(session);
    // Not before: the user never was away.
    if (rival !== undefined) closer.close(rival, 'replaced');
    metrics.gauges.sessions++;
    watch(session);
    catchUp.start(session, hello);
  }

  #renewed(session: Session, { id }: Auth, verdict: Verdict): void {
    const { replies, answered, watch } = this.#options;
    if (session.mode === 'closed') return;
    answered(session, id);
    if (!verdict.ok) {
      replies.error(session, id, { re: 'auth' }, verdict.code, verdict.message);
    } else if (verdict.user !== session.user) {
      replies.error(
        session,
        id,
        { re: 'auth' },
        'forbidden',
        `token: it is another user's; this connection is ${session.user}'s.`,
      );
    } else {
      session.expiresAt = verdict.expiresAt ?? Number.POSITIVE_INFINITY;
      watch(session);
      replies.frame(session, { t: 'ok', id }, '');
    }
  }
}
