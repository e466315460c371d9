import { STATUS_CODES } from 'node:http';
import { SUBPROTOCOLS } from '../protocol/frames.ts';
import type { HttpRequest, HttpResponse, SocketServerOptions, Subprotocol } from './socket.ts';

/** What both libraries do with an upgrade and a plain request before the edge's own code sees a socket. */
export type Upgrade =
  | { readonly refusal: HttpResponse }
  | {
      readonly refusal: undefined;
      readonly subprotocol: Subprotocol;
      /** What the handshake's answer names; '' if none was asked. */
      readonly protocolName: string;
    };

/** Negotiates the subprotocol and asks `admit`; never throws. */
export function decideUpgrade<T>(options: SocketServerOptions<T>, request: HttpRequest): Upgrade {
  const asked = request.header('sec-websocket-protocol');
  const chosen = negotiate(asked);
  if (chosen === undefined) {
    const known = Object.values(SUBPROTOCOLS).join(', ');
    return {
      refusal: textResponse(
        400,
        `Sec-WebSocket-Protocol: ${printable(asked ?? '')} is not spoken here. Known: ${known}.`,
      ),
    };
  }
  let refusal: HttpResponse | undefined;
  try {
    refusal = options.admit(request);
  } catch (error) {
    refusal = failed(options, error, request);
  }
  return refusal === undefined ? { refusal, ...chosen } : { refusal };
}

function negotiate(
  asked: string | undefined,
): { subprotocol: Subprotocol; protocolName: string } | undefined {
  if (asked === undefined || asked.trim() === '') return { subprotocol: 'json', protocolName: '' };
  const protocolName = firstKnown(asked.split(',').map((name) => name.trim()));
  if (protocolName === undefined) return undefined;
  return { subprotocol: protocolName === SUBPROTOCOLS.binary ? 'binary' : 'json', protocolName };
}

/** The client's first choice that we know. */
export function firstKnown(names: Iterable<string>): string | undefined {
  for (const name of names) {
    if (name === SUBPROTOCOLS.binary || name === SUBPROTOCOLS.json) return name;
  }
  return undefined;
}

/** The answer of `options.http`; a fault of it is logged and answered with 500. Never throws or rejects. */
export function answerHttp<T>(
  options: SocketServerOptions<T>,
  request: HttpRequest,
): HttpResponse | Promise<HttpResponse> {
  try {
    const answer = options.http(request);
    return answer instanceof Promise
      ? answer.catch((error: unknown) => failed(options, error, request))
      : answer;
  } catch (error) {
    return failed(options, error, request);
  }
}

function failed<T>(options: SocketServerOptions<T>, error: unknown, request: HttpRequest): HttpResponse {
  options.logger.error({ err: error, method: request.method, path: request.path }, 'an HTTP handler threw');
  return textResponse(500, 'A fault of the server; its log says more.');
}

/** A short plain-text answer. */
export function textResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', ...headers },
    body: `${text}\n`,
  };
}

/** "404 Not Found" */
export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
}

/** Someone else's text, fit to be repeated in an answer. */
export function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
