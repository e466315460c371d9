/** How the adapter reaches its servers. */
export interface NatsOptions {
  /** `nats://host:port`, one or more; those that servers tell of are ignored. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name?: string;
  readonly user?: string;
  readonly password?: string;
  /** The text of a credentials file (a user's JWT and seed). */
  readonly credentials?: string;
  /** The PEM text of the authorities that may sign the servers' certificates; TLS is demanded when it is given. */
  readonly tlsCa?: string;
  /** What may be on its way to the server, unconfirmed by it; beyond it `publish` returns false. */
  readonly pendingBytesMax?: number;
  /** The least time from one attempt to connect to the next. */
  readonly reconnectWaitMs?: number;
  readonly connectMsMax?: number;
}

export const DEFAULTS = {
  pendingBytesMax: 16 * 1024 * 1024,
  reconnectWaitMs: 250,
  connectMsMax: 2_000,
} as const;

const SERVER = /^(nats|tls):\/\/([^\s/@]+)$/;

/** Throws what is wrong with the options, naming the field. */
export function checkOptions(options: NatsOptions): void {
  if (options.servers.length === 0) throw new RangeError('servers must name at least one server');
  for (const server of options.servers) {
    if (!SERVER.test(server)) {
      throw new RangeError(
        `a server must be nats://host:port (user and password apart), not ${JSON.stringify(server)}`,
      );
    }
  }
  if (options.credentials !== undefined && options.user !== undefined)
    throw new RangeError('credentials and user exclude each other');
}

const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;
const SUBJECT_CHARS_MAX = 256;

/** A subject is dot-separated tokens, none empty or a wildcard. */
export function checkSubject(subject: string): void {
  if (subject.length > SUBJECT_CHARS_MAX || !SUBJECT.test(subject)) {
    throw new RangeError(`a subject must be plain tokens with dots between, not ${JSON.stringify(subject)}`);
  }
}

/** The host of a server's URL, without its port and an IPv6 address's brackets. */
export function hostOf(server: string): string {
  return new URL(server.replace(/^\w+:/, 'http:')).hostname.replace(/^\[|\]$/g, '');
}
