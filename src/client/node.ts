/** `carillon/client` in Node, where older versions have no global WebSocket: there, the `ws` package serves. */
import { type Client } from './client.ts';
import { connect as connectAnywhere, type ConnectOptions } from './index.ts';
import type { WebSocketClass } from './socket.ts';

export * from './index.ts';

export function connect(options: ConnectOptions): Client {
  const webSocket = options.webSocket ?? (globalThis.WebSocket as WebSocketClass | undefined) ?? loadWs();
  return connectAnywhere({ ...options, webSocket });
}

let ws: Promise<WebSocketClass> | undefined;

function loadWs(): Promise<WebSocketClass> {
  ws ??= import('ws').then((module) => module.WebSocket as unknown as WebSocketClass);
  return ws;
}
