import { LIMITS } from '../protocol/limits.ts';
import type {
  ClientFrame,
  ConversationsPage,
  Created,
  ErrorFrame,
  Ok,
  Page,
  ReceiptsPage,
} from '../protocol/frames.ts';
import { backoffMs } from './backoff.ts';
import { ClientError } from './errors.ts';
import type { Cancel, ClientSystem } from './system.ts';

/** What answers a request, by the request's name. */
export interface Answers {
  auth: Ok;
  conversations: ConversationsPage;
  create: Created;
  history: Page;
  members: Ok;
  prefs: Ok;
  receipts: ReceiptsPage;
  unwatch: Ok;
  watch: Ok;
}
export type Answer = Ok | ConversationsPage | Created | Page | ReceiptsPage;
export type Request<T extends keyof Answers> = Omit<Extract<ClientFrame, { t: T }>, 'id'>;

const ANSWERED_BY = {
  auth: 'ok',
  conversations: 'conversations',
  create: 'created',
  history: 'page',
  members: 'ok',
  prefs: 'ok',
  receipts: 'receipts',
  unwatch: 'ok',
  watch: 'ok',
} as const satisfies Record<keyof Answers, Answer['t']>;

export interface RequestsOptions {
  readonly system: ClientSystem;
  /** From asking to the answer, over reconnects and retries. */
  readonly timeoutMs: number;
  /** Unanswered at one time; beyond it a request is refused at once. */
  readonly requestsMax: number;
  nextId(): number;
  /** False when there is no connection. */
  send(frame: ClientFrame): boolean;
}

interface Pending {
  readonly frame: Request<keyof Answers>;
  readonly isRead: boolean;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ClientError) => void;
  /** 0 while it is not on its way. */
  id: number;
  refusals: number;
  /** Of the wait after a retryable refusal. */
  cancelWait: Cancel | undefined;
  readonly cancelTimeout: Cancel;
}

/**
 * Requests other than `send`. All of them may be asked twice without harm (changes of members are by state, a
 * `create` names its conversation), so they outlive connections: asked again until answered or out of time.
 */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #pending = new Set<Pending>();
  readonly #open = new Map<number, Pending>();
  #openReads = 0;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Resolves with the answer; rejects with a ClientError. */
  call<T extends keyof Answers>(frame: Request<T> & { t: T }): Promise<Answers[T]> {
    const { system, timeoutMs, requestsMax } = this.#options;
    if (this.#pending.size >= requestsMax) {
      return Promise.reject(
        new ClientError('outbox_full', `${requestsMax} requests are unanswered: wait for some`),
      );
    }
    return new Promise<Answer>((resolve, reject) => {
      const pending: Pending = {
        frame: frame as unknown as Request<keyof Answers>,
        isRead: frame.t === 'history' || frame.t === 'conversations',
        resolve,
        reject,
        id: 0,
        refusals: 0,
        cancelWait: undefined,
        cancelTimeout: system.after(timeoutMs, () => {
          this.#forget(pending);
          reject(new ClientError('timed_out', `no answer to ${frame.t} within ${timeoutMs} ms`));
        }),
      };
      this.#pending.add(pending);
      this.pump();
    }) as Promise<Answers[T]>;
  }

  /** Sends what waits for a connection or for a place among the open reads. */
  pump(): void {
    for (const pending of this.#pending) {
      if (pending.id !== 0 || pending.cancelWait !== undefined) continue;
      if (pending.isRead && this.#openReads >= LIMITS.openReadsMax) continue;
      const id = this.#options.nextId();
      if (!this.#options.send({ ...pending.frame, id } as ClientFrame)) return;
      pending.id = id;
      this.#open.set(id, pending);
      if (pending.isRead) this.#openReads++;
    }
  }

  /** The connection is gone: what was on its way will be asked anew. */
  offline(): void {
    for (const pending of this.#open.values()) pending.id = 0;
    this.#open.clear();
    this.#openReads = 0;
  }

  answered(answer: Answer): void {
    const pending = this.#open.get(answer.id);
    if (pending === undefined) return; // out of time meanwhile
    this.#forget(pending);
    if (answer.t === ANSWERED_BY[pending.frame.t]) pending.resolve(answer);
    else pending.reject(new ClientError('internal', `${pending.frame.t} was answered by ${answer.t}`));
    this.pump();
  }

  /** Whether the error was an answer to one of these requests. */
  refused(error: ErrorFrame): boolean {
    const pending = error.id === undefined ? undefined : this.#open.get(error.id);
    if (pending === undefined) return false;
    if (error.retryable) {
      this.#close(pending);
      pending.refusals++;
      const { system } = this.#options;
      const waitMs = error.retryAfterMs ?? backoffMs(pending.refusals, system.random());
      pending.cancelWait = system.after(waitMs, () => {
        pending.cancelWait = undefined;
        this.pump();
      });
    } else {
      this.#forget(pending);
      pending.reject(new ClientError(error.code, error.message));
    }
    this.pump();
    return true;
  }

  /** Ends them all. */
  fail(error: ClientError): void {
    for (const pending of [...this.#pending]) {
      this.#forget(pending);
      pending.reject(error);
    }
  }

  #close(pending: Pending): void {
    if (pending.id === 0) return;
    this.#open.delete(pending.id);
    pending.id = 0;
    if (pending.isRead) this.#openReads--;
  }

  #forget(pending: Pending): void {
    this.#close(pending);
    pending.cancelTimeout();
    pending.cancelWait?.();
    this.#pending.delete(pending);
  }
}
