import { asError } from './errors.ts';
import type { Cancel, ClientSystem } from './system.ts';

/** A token, or where to get a fresh one: asked before each connection, and before the present one expires. */
export type TokenSource = string | (() => string | Promise<string>);

export interface TokenOptions {
  readonly system: ClientSystem;
  /** Makes the connection use a fresh token. */
  renew(token: string): Promise<void>;
  failed(error: Error): void;
}

const BEFORE_EXPIRY_MS = 60_000;
/** A source that gives expired tokens is not asked more often. */
const RENEW_MS_MIN = 1_000;
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The connection's token, renewed in time where its source can and its expiry is to be seen. */
export class Token {
  readonly #source: TokenSource;
  readonly #options: TokenOptions;
  #cancel: Cancel | undefined;

  constructor(source: TokenSource, options: TokenOptions) {
    this.#source = source;
    this.#options = options;
  }

  async read(): Promise<string> {
    if (typeof this.#source === 'string') return this.#source;
    const token = await this.#source();
    this.#schedule(token);
    return token;
  }

  stop(): void {
    this.#cancel?.();
  }

  #schedule(token: string): void {
    this.#cancel?.();
    const expiry = tokenExpiry(token);
    if (expiry === undefined) return;
    const { system, renew, failed } = this.#options;
    const leftMs = Math.max(0, expiry - system.now());
    const waitMs = Math.min(Math.max(leftMs - BEFORE_EXPIRY_MS, leftMs / 2, RENEW_MS_MIN), TIMER_MS_MAX);
    this.#cancel = system.after(waitMs, () => {
      this.read()
        .then(renew)
        .catch((error: unknown) => failed(asError(error)));
    });
  }
}

/** When a JWT expires, in Unix ms; undefined for a token of another form or without `exp`. Nothing is verified. */
export function tokenExpiry(token: string): number | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    const exp = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined;
    return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined; // not a JWT
  }
}
