import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from './address.ts';
import { jsonResponse } from './http-json.ts';
import type { HttpRequest, HttpResponse } from './socket.ts';

/** Who may ask what of the HTTP ports. */

/** What a reverse proxy adds: the client is elsewhere, whatever the peer's address. */
const PROXY_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'];
const LOOPBACK_AUTHORITY = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const BEARER = /^Bearer +(\S+) *$/i;

export function isLocal(request: HttpRequest): boolean {
  return (
    isLoopback(request.remoteAddress) && PROXY_HEADERS.every((name) => request.header(name) === undefined)
  );
}

/** undefined: an operator asks, by `token` if there is one (CARILLON_ADMIN_TOKEN), else by being on this machine. */
export function refuseOperator(request: HttpRequest, token: string | undefined): HttpResponse | undefined {
  if (token !== undefined) {
    const given = BEARER.exec(request.header('authorization') ?? '')?.[1];
    return given !== undefined && isSame(given, token) ? undefined : unauthorized();
  }
  return isLocal(request) && isByNoPage(request) ? undefined : forbidden();
}

/**
 * A web page open in a browser on this machine comes from loopback too. If it posts here its origin shows;
 * if its own name was made to resolve to loopback, `host` has that name.
 */
function isByNoPage(request: HttpRequest): boolean {
  if (request.header('origin') !== undefined) return false;
  const host = request.header('host');
  return host === undefined || LOOPBACK_AUTHORITY.test(host);
}

/** In a time that tells nothing of where they differ, nor of their lengths. */
function isSame(given: string, token: string): boolean {
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

function unauthorized(): HttpResponse {
  const error =
    "operators must give this node's CARILLON_ADMIN_TOKEN, in the header `Authorization: Bearer TOKEN`";
  return jsonResponse(401, { error }, { 'www-authenticate': 'Bearer' });
}

function forbidden(): HttpResponse {
  const error =
    'without CARILLON_ADMIN_TOKEN a node takes operators from its own machine alone, asking 127.0.0.1, [::1] or ' +
    'localhost without a proxy; set it on all nodes to ask from elsewhere';
  return jsonResponse(403, { error });
}
