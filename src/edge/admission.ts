import { clientNetwork, isLoopback } from './address.ts';
import type { HttpRequest, HttpResponse } from './socket.ts';
import { printable, textResponse } from './upgrade.ts';

export interface AdmissionOptions {
  readonly connectionsMax: number;
  /** Of one client address, or one /64 of IPv6; this machine itself is exempt. */
  readonly connectionsPerAddressMax: number;
  /** Origins whose pages may connect, `*` for all; undefined: the page's own alone. */
  readonly origins: readonly string[] | undefined;
  /**
   * A server without real authentication: pages must also have come from a loopback name, so that a hostile
   * name that resolves to this machine (DNS rebinding) opens nothing.
   */
  readonly loopbackOnly: boolean;
  /** Whether X-Forwarded-Host names the host that the client asked for. */
  readonly trustProxy: boolean;
}

const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const BUSY_RETRY_SECONDS = 5;

/** Decides before the upgrade whether a connection may become a socket, and counts those that did. */
export class Admission {
  private readonly options: AdmissionOptions;
  private total = 0;
  /** By client network: at most connectionsMax entries. */
  private readonly perNetwork = new Map<string, number>();
  private drainingRetrySeconds: number | undefined = undefined;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** Sockets open now. */
  get connections(): number {
    return this.total;
  }

  /** Refuses everyone from now on. */
  drain(retryAfterMs: number): void {
    this.drainingRetrySeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  }

  /** undefined: welcome. */
  admit(request: HttpRequest): HttpResponse | undefined {
    if (this.drainingRetrySeconds !== undefined) {
      return later(503, 'This node is leaving; connect again.', this.drainingRetrySeconds);
    }
    const origin = request.header('origin');
    if (origin !== undefined && !this.isWelcome(origin, request)) {
      return textResponse(
        403,
        `Origin ${printable(origin)} may not connect here; CARILLON_ORIGINS names those that may.`,
      );
    }
    if (this.total >= this.options.connectionsMax) {
      return later(503, 'This node has as many connections as it takes.', BUSY_RETRY_SECONDS);
    }
    const { remoteAddress } = request;
    const max = this.options.connectionsPerAddressMax;
    if (!isLoopback(remoteAddress) && (this.perNetwork.get(clientNetwork(remoteAddress)) ?? 0) >= max) {
      return later(
        429,
        `${remoteAddress} has ${max} connections, which is as many as it may.`,
        BUSY_RETRY_SECONDS,
      );
    }
    return undefined;
  }

  opened(remoteAddress: string): void {
    this.total++;
    const network = clientNetwork(remoteAddress);
    this.perNetwork.set(network, (this.perNetwork.get(network) ?? 0) + 1);
  }

  closed(remoteAddress: string): void {
    this.total--;
    const network = clientNetwork(remoteAddress);
    const left = (this.perNetwork.get(network) ?? 0) - 1;
    if (left > 0) this.perNetwork.set(network, left);
    else this.perNetwork.delete(network);
  }

  private isWelcome(origin: string, request: HttpRequest): boolean {
    const { origins, loopbackOnly, trustProxy } = this.options;
    const parsed = URL.canParse(origin) ? new URL(origin) : undefined;
    if (origins !== undefined)
      return origins.includes('*') || (parsed !== undefined && origins.includes(parsed.origin));
    const host = (trustProxy ? request.header('x-forwarded-host') : undefined) ?? request.header('host');
    if (parsed === undefined || host === undefined) return false;
    if (loopbackOnly && !LOOPBACK_NAME.test(host)) return false;
    return sameHost(parsed, host);
  }
}

/** Whether `host`, as in a Host header, is the origin's, the scheme's usual port written out or not. */
function sameHost(origin: URL, host: string): boolean {
  const own = `${origin.protocol}//${host}`;
  return URL.canParse(own) && new URL(own).host === origin.host;
}

function later(status: number, text: string, retrySeconds: number): HttpResponse {
  return textResponse(status, text, { 'retry-after': String(retrySeconds) });
}
