import type { HttpResponse } from './socket.ts';

export const NO_STORE = { 'cache-control': 'no-store' };

export function jsonResponse(
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', ...NO_STORE, ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}
