import { isUuid } from '../core/ids.ts';
import { StoreUnavailable } from '../core/ports.ts';
import type { RingAnswer, RingControl } from '../core/ring-control.ts';
import { refuseOperator } from './http-access.ts';
import { jsonResponse } from './http-json.ts';
import type { HttpRequest, HttpResponse } from './socket.ts';
import { printable } from './upgrade.ts';

const ROOT = '/ring';
const RETRY_AFTER_SECONDS = 1;

interface Route {
  readonly method: 'GET' | 'POST';
  /** What stands behind the route's name; '' if nothing does. */
  readonly subject: '' | 'NODE' | 'CONV';
  answer(ring: RingControl, id: string): HttpResponse | Promise<HttpResponse>;
}

const ROUTES: Readonly<Record<string, Route>> = {
  '': { method: 'GET', subject: '', answer: (ring) => jsonResponse(200, ring.status()) },
  owner: { method: 'GET', subject: 'CONV', answer: owner },
  drain: { method: 'POST', subject: 'NODE', answer: (ring, node) => asked(ring.drain(node)) },
  undrain: { method: 'POST', subject: 'NODE', answer: (ring, node) => asked(ring.undrain(node)) },
  forget: { method: 'POST', subject: 'NODE', answer: forget },
};

const WHAT = {
  NODE: "a node's id, whole and in lower case, as GET /ring has them",
  CONV: "a conversation's id: a UUID in lower case",
};

export function isRingPath(path: string): boolean {
  return path === ROOT || path.startsWith(`${ROOT}/`);
}

/**
 * What operators ask of the ring, as JSON; a failure is `{"error"}`.
 * GET /ring (a RingStatus), GET /ring/owner/CONV (a RingOwner, null for undefined), POST /ring/drain/NODE,
 * /ring/undrain/NODE (202: asked for, GET /ring shows it), /ring/forget/NODE (200).
 * 409: refused, with the reason. 503: the store is away.
 */
export function ringHttp(
  ring: RingControl | undefined,
  token: string | undefined,
): (request: HttpRequest) => HttpResponse | Promise<HttpResponse> {
  return (request) => {
    const refusal = refuseOperator(request, token);
    if (refusal !== undefined) return refusal;
    if (ring === undefined)
      return failure(404, 'this node is no part of a cluster (CARILLON_STORE=lmdb): it has no ring');
    return answer(ring, request);
  };
}

function answer(ring: RingControl, { method, path }: HttpRequest): HttpResponse | Promise<HttpResponse> {
  const [name = '', ...ids] = path.slice(ROOT.length + 1).split('/');
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (route === undefined || (route.subject === '' && path !== ROOT))
    return failure(404, `there is nothing at ${printable(path)}`);
  const allow = route.method === 'GET' ? ['GET', 'HEAD'] : [route.method];
  if (!allow.includes(method)) {
    const error = `${printable(path)} takes ${allow.join(' and ')}, not ${printable(method)}`;
    return jsonResponse(405, { error }, { allow: allow.join(', ') });
  }
  const { subject } = route;
  if (subject === '') return route.answer(ring, '');
  const [id = ''] = ids;
  if (ids.length !== 1 || !isUuid(id))
    return failure(400, `${subject} in ${ROOT}/${name}/${subject} must be ${WHAT[subject]}`);
  return route.answer(ring, id);
}

async function owner(ring: RingControl, conv: string): Promise<HttpResponse> {
  return orAway(async () => {
    const found = await ring.owner(conv);
    return jsonResponse(200, {
      ...found,
      owner: found.owner ?? null,
      shouldOwn: found.shouldOwn ?? null,
    });
  });
}

async function forget(ring: RingControl, node: string): Promise<HttpResponse> {
  return orAway(async () => outcome(200, await ring.forget(node)));
}

function asked(answer: RingAnswer): HttpResponse {
  return outcome(202, answer);
}

function outcome(status: number, answer: RingAnswer): HttpResponse {
  return answer.t === 'refused'
    ? failure(409, answer.message)
    : jsonResponse(status, { done: status === 200 });
}

async function orAway(work: () => Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
    return jsonResponse(503, { error: 'the store does not answer; try again' }, headers);
  }
}

function failure(status: number, error: string): HttpResponse {
  return jsonResponse(status, { error });
}
