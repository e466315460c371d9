import { createHash } from 'node:crypto';
import { isName } from '../core/ids.ts';
import type { Presence } from '../core/presence-port.ts';
import type { RingControl } from '../core/ring-control.ts';
import { isLocal } from './http-access.ts';
import { jsonResponse, NO_STORE } from './http-json.ts';
import { isRingPath, ringHttp } from './http-ring.ts';
import type { HttpRequest, HttpResponse } from './socket.ts';
import { printable, textResponse } from './upgrade.ts';

export interface StaticFile {
  readonly bytes: Uint8Array;
  /** The whole media type, such as `text/html; charset=utf-8`. */
  readonly type: string;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why not. */
  readonly reasons: readonly string[];
}

export interface HttpOptions {
  /** The socket endpoint: a plain request for it is told so. */
  readonly socketPath: string;
  /** The page's files by path; `/index.html` is served at `/` too. */
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly readiness: () => Readiness;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Who this process is in its cluster. */
  readonly node: () => { readonly node: string | null; readonly roles: readonly string[] };
  /** undefined: this process has no part in it. */
  readonly presence: Presence | undefined;
  /** undefined: this process is no part of a cluster. */
  readonly ring?: RingControl;
  /** CARILLON_ADMIN_TOKEN: what who asks /ring must give. undefined: /ring is for this machine alone. */
  readonly adminToken?: string;
}

type Handler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
type Routes = ReadonlyMap<string, Handler>;

/** The main port: the page, /healthz, /readyz, and /metrics for this machine alone. */
export function mainHttp(options: HttpOptions): Handler {
  const routes = new Map<string, Handler>(operations(options));
  routes.set('/metrics', (request) => (isLocal(request) ? metrics(options) : notHere()));
  routes.set(options.socketPath, upgradeRequired);
  for (const [path, file] of options.files) routes.set(path, serveFile(file));
  const index = options.files.get('/index.html');
  if (index !== undefined) routes.set('/', serveFile(index));
  return router(routes);
}

const PRESENCE = '/presence/';

/** The admin port: /metrics, /healthz, /readyz, /node and /presence/USER for whoever reaches it; /ring for operators. */
export function adminHttp(options: HttpOptions): Handler {
  const routes = new Map<string, Handler>(operations(options));
  routes.set('/metrics', () => metrics(options));
  routes.set('/node', () => jsonResponse(200, options.node()));
  const { presence } = options;
  const route = router(routes);
  const ring = ringHttp(options.ring, options.adminToken);
  const users =
    presence === undefined
      ? route
      : router(new Map([[PRESENCE, (request) => devicesOf(presence, request.path)]]), () => PRESENCE);
  return (request) => {
    if (isRingPath(request.path)) return ring(request);
    return request.path.startsWith(PRESENCE) ? users(request) : route(request);
  };
}

/** Where a user is connected, as far as the presence service knows. */
async function devicesOf(presence: Presence, path: string): Promise<HttpResponse> {
  const user = path.slice(PRESENCE.length);
  if (!isName(user))
    return jsonResponse(400, { error: 'USER in /presence/USER must be 1 to 64 of A-Z a-z 0-9 . _ @ : -' });
  const devices = await presence.devices(user);
  if (devices === 'unknown') return jsonResponse(503, { error: 'the presence service does not answer' });
  return jsonResponse(200, { user, devices });
}

/** `routeOf` names the route of a path. */
function router(routes: Routes, routeOf = (path: string) => path): Handler {
  return (request) => {
    const handler = routes.get(routeOf(request.path));
    if (handler === undefined) return textResponse(404, `There is nothing at ${printable(request.path)}.`);
    if (request.method === 'GET' || request.method === 'HEAD') return handler(request);
    const text = `${printable(request.path)} takes GET and HEAD, not ${printable(request.method)}.`;
    return textResponse(405, text, { allow: 'GET, HEAD' });
  };
}

function operations(options: HttpOptions): [string, Handler][] {
  return [
    ['/healthz', () => textResponse(200, 'The process lives.', NO_STORE)],
    ['/readyz', () => ready(options.readiness())],
  ];
}

function ready({ ready, reasons }: Readiness): HttpResponse {
  return jsonResponse(ready ? 200 : 503, { ready, reasons });
}

async function metrics(options: HttpOptions): Promise<HttpResponse> {
  const { type, text } = await options.metrics();
  return { status: 200, headers: { 'content-type': type, ...NO_STORE }, body: text };
}

function notHere(): HttpResponse {
  return textResponse(
    403,
    'Metrics are for this machine alone here; CARILLON_ADMIN_PORT opens a port that serves them.',
  );
}

function upgradeRequired(): HttpResponse {
  return textResponse(426, 'This is a WebSocket endpoint.', { upgrade: 'websocket', connection: 'upgrade' });
}

function serveFile({ bytes, type }: StaticFile): Handler {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
  const fixed = {
    'content-type': type,
    etag,
    // Kept, but asked about each time: a new version is seen at once.
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };
  return (request) => {
    const headers = { ...fixed, 'content-security-policy': contentSecurityPolicy(request.header('host')) };
    if (matches(request.header('if-none-match'), etag)) return { status: 304, headers, body: bytes };
    return { status: 200, headers, body: bytes };
  };
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);
}

/** Own files alone, and a socket to this host; `'self'` does not cover sockets in every browser. */
function contentSecurityPolicy(host: string | undefined): string {
  const sockets = host !== undefined && /^[\w.\-[\]:]+$/.test(host) ? ` ws://${host} wss://${host}` : '';
  return (
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; ` +
    `manifest-src 'self'; connect-src 'self'${sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
  );
}
