/** The part of the WebSocket interface that the client uses; browsers, `ws`, Bun, Deno and newer Nodes have it. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer> | string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

export interface SocketHandlers {
  open(): void;
  frame(data: Uint8Array | string): void;
  closed(code: number, reason: string): void;
}

/** Opens a socket and wires it; `detach` makes it deaf and hangs up. */
export function openSocket(
  constructor: WebSocketClass,
  url: string,
  protocol: string,
  handlers: SocketHandlers,
): { send(data: Uint8Array | string): void; detach(): void } {
  const socket = new constructor(url, [protocol]);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => handlers.open();
  socket.onmessage = (event: { data: unknown }) => {
    const { data } = event;
    if (typeof data === 'string') handlers.frame(data);
    else if (data instanceof ArrayBuffer) handlers.frame(new Uint8Array(data));
  };
  socket.onclose = (event: { code: number; reason: string }) => handlers.closed(event.code, event.reason);
  socket.onerror = () => undefined; // `close` follows, and says more
  return {
    send: (data) => socket.send(data as Uint8Array<ArrayBuffer> | string),
    detach() {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
      socket.onerror = () => undefined; // `ws` throws what nobody listens to
      socket.close(1000);
    },
  };
}
