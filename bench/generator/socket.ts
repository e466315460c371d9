/**
 * A WebSocket client that costs far less than a server: no event emitters per message, no copy of a frame, no
 * random masks (a zero key makes masking the identity), and all frames of a turn in one write.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface FrameHandler {
  /** One data frame: its payload is bytes[start, end), valid during the call only. */
  frame(socket: WireSocket, bytes: Uint8Array, start: number, end: number): void;
  /** All whole frames of one read were handed over: the moment to flush. */
  readEnd(socket: WireSocket, frames: number): void;
  /** Once, after a close from either side. `code` is the WebSocket close code, 1006 if there was none. */
  closed(socket: WireSocket, code: number, reason: string): void;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** None is asked for if absent; the server must then choose none. */
  readonly subprotocol?: string;
  readonly handler: FrameHandler;
  /** The caller's own number of this socket. */
  readonly index: number;
}

const READ_BYTES = 256 * 1024;
/** What one socket may compose before a flush. */
const COMPOSE_BYTES_MAX = 256 * 1024;
const HANDSHAKE_BYTES_MAX = 16 * 1024;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/** Reads and composing happen one socket at a time, synchronously, so all sockets share these. */
const readBuffer = Buffer.allocUnsafe(READ_BYTES);
let composed = Buffer.allocUnsafe(COMPOSE_BYTES_MAX);
let composedBy: WireSocket | undefined;
let composedEnd = 0;

export class WireSocket {
  readonly index: number;
  readonly #socket: Socket;
  readonly #handler: FrameHandler;
  readonly #parser: FrameParser;
  #open = false;
  #closeCode = 1006;
  #closeReason = '';

  private constructor(options: ConnectOptions, settle: (error?: Error) => void) {
    this.index = options.index;
    this.#handler = options.handler;
    this.#parser = new FrameParser((opcode, bytes, start, end) => this.#frame(opcode, bytes, start, end));
    const key = randomBytes(16).toString('base64');
    const handshake = new Handshake(key, options.subprotocol);
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length, bytes) => {
          if (this.#open) this.#received(bytes, length);
          else this.#shakeHands(handshake, bytes, length, settle);
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => {
      this.#closeReason ||= error.message;
      settle(error);
    });
    this.#socket.on('close', () => {
      settle(new Error(`the server closed the connection during the handshake: ${handshake.text()}`));
      if (this.#open) this.#handler.closed(this, this.#closeCode, this.#closeReason);
      this.#open = false;
    });
    this.#socket.write(handshake.request(options));
  }

  /** Resolves when the handshake is complete; rejects with the server's answer if it refuses. */
  static connect(options: ConnectOptions): Promise<WireSocket> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const socket: WireSocket = new WireSocket(options, (error) => {
        if (settled) return;
        settled = true;
        if (error === undefined) resolve(socket);
        else reject(error);
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /**
   * Adds a binary frame's header to this turn's write and returns the offset in `buffer()` at which the caller
   * now writes the `payloadBytes`. Flush before another socket begins.
   */
  begin(payloadBytes: number, text = false): number {
    return this.#begin(text ? TEXT : BINARY, payloadBytes);
  }
  /** Where frames are composed; another one after a flush. */
  buffer(): Buffer {
    return composed;
  }
  /** Copies a payload whole: for the frames that are not worth composing in place. */
  sendBytes(payload: Uint8Array | string): void {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    composed.set(bytes, this.begin(bytes.length, typeof payload === 'string'));
  }
  /** Writes what was composed, in one call. */
  flush(): void {
    if (composedBy !== this) return;
    composedBy = undefined;
    if (composedEnd === 0 || this.#socket.destroyed) return;
    this.#socket.write(composed.subarray(0, composedEnd));
    composedEnd = 0;
    // What the kernel did not take at once still lies in the buffer: leave it to the socket.
    if (this.#socket.writableLength > 0) composed = Buffer.allocUnsafe(COMPOSE_BYTES_MAX);
  }

  /** Ends with a close frame, and does not wait for the peer's. */
  close(code = 1000): void {
    if (!this.#open || this.#socket.destroyed) return;
    const at = this.#begin(CLOSE, 2);
    composed.writeUInt16BE(code, at);
    this.flush();
    this.#closeCode = code;
    this.#socket.end();
  }
  /** Drops the connection without a word. */
  destroy(): void {
    this.#socket.destroy();
  }
  pauseReading(): void {
    this.#socket.pause();
  }
  resumeReading(): void {
    this.#socket.resume();
  }

  #begin(opcode: number, payloadBytes: number): number {
    if (composedBy !== this) {
      if (composedBy !== undefined) throw new Error('another socket has unflushed frames');
      composedBy = this;
      composedEnd = 0;
    }
    if (composedEnd + payloadBytes + 14 > COMPOSE_BYTES_MAX) {
      this.flush();
      composedBy = this;
      composedEnd = 0;
    }
    if (payloadBytes + 14 > COMPOSE_BYTES_MAX)
      throw new RangeError(`a frame of ${payloadBytes} bytes is too large`);
    const at = writeClientHeader(composed, composedEnd, opcode, payloadBytes);
    composedEnd = at + payloadBytes;
    return at;
  }

  #shakeHands(
    handshake: Handshake,
    bytes: Uint8Array,
    length: number,
    settle: (error?: Error) => void,
  ): void {
    const rest = handshake.received(bytes, length);
    if (rest === undefined) return;
    const problem = handshake.problem();
    if (problem !== undefined) {
      settle(new Error(problem));
      this.#socket.destroy();
      return;
    }
    this.#open = true;
    settle();
    if (rest.length === 0) return;
    // Whoever awaits `connect` must be able to set itself up before the first frame.
    const early = Uint8Array.from(rest);
    queueMicrotask(() => this.#received(early, early.length));
  }

  #received(bytes: Uint8Array, length: number): void {
    let frames: number;
    try {
      frames = this.#parser.received(bytes, length);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#closeReason = error.message;
      this.#closeCode = 1002;
      this.#socket.destroy();
      return;
    }
    this.#handler.readEnd(this, frames);
    this.flush();
  }

  #frame(opcode: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (opcode === BINARY || opcode === TEXT) {
      this.#handler.frame(this, bytes, start, end);
      return true;
    }
    if (opcode === PING) {
      composed.set(bytes.subarray(start, end), this.#begin(PONG, end - start));
    } else if (opcode === CLOSE) {
      this.#closeCode =
        end - start >= 2 ? ((bytes[start] as number) << 8) | (bytes[start + 1] as number) : 1005;
      this.#closeReason = Buffer.from(bytes.subarray(Math.min(start + 2, end), end)).toString();
      this.#socket.end();
    } else if (opcode !== PONG) {
      throw new WireError(`opcode ${opcode} is unknown`);
    }
    return false;
  }
}

/** The server broke RFC 6455, or used a part of it that this client leaves out (fragments). */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Writes the header of a client's frame (final, masked with key 0) and returns where the payload starts. */
export function writeClientHeader(
  bytes: Uint8Array,
  at: number,
  opcode: number,
  payloadBytes: number,
): number {
  let next = at;
  bytes[next++] = 0x80 | opcode;
  if (payloadBytes < 126) {
    bytes[next++] = 0x80 | payloadBytes;
  } else if (payloadBytes < 0x10000) {
    bytes[next++] = 0x80 | 126;
    bytes[next++] = payloadBytes >>> 8;
    bytes[next++] = payloadBytes & 0xff;
  } else {
    bytes[next++] = 0x80 | 127;
    for (let i = 0; i < 4; i++) bytes[next++] = 0;
    for (let shift = 24; shift >= 0; shift -= 8) bytes[next++] = (payloadBytes >>> shift) & 0xff;
  }
  for (let i = 0; i < 4; i++) bytes[next++] = 0;
  return next;
}

/** Whether the frame was one of data, and so counts for `received`. */
type OnFrame = (opcode: number, bytes: Uint8Array, start: number, end: number) => boolean;

/** Cuts a stream of server frames. Only a frame split over two reads is ever copied. */
export class FrameParser {
  readonly #onFrame: OnFrame;
  #carry = Buffer.alloc(0);
  #carried = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** Hands over each whole frame of the bytes and returns how many data frames those were. */
  received(chunk: Uint8Array, length: number): number {
    if (this.#carried === 0) return this.#cut(chunk, length);
    const end = this.#carried + length;
    this.#reserve(end);
    this.#carry.set(chunk.subarray(0, length), this.#carried);
    const bytes = this.#carry;
    this.#carried = 0;
    return this.#cut(bytes, end);
  }

  #cut(bytes: Uint8Array, end: number): number {
    let at = 0;
    let frames = 0;
    while (end - at >= 2) {
      const first = bytes[at] as number;
      const second = bytes[at + 1] as number;
      if ((first & 0x70) !== 0) throw new WireError('reserved bits are set');
      if ((first & 0x80) === 0 || (first & 0x0f) === 0)
        throw new WireError('fragmented messages are not read here');
      if (second > 127) throw new WireError('a server must not mask');
      let start = at + 2;
      let length = second;
      if (second === 126) {
        start = at + 4;
        if (start > end) break;
        length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      } else if (second === 127) {
        start = at + 10;
        if (start > end) break;
        for (let i = 2; i < 6; i++) if (bytes[at + i] !== 0) throw new WireError('a frame of over 4 GiB');
        length =
          (bytes[at + 6] as number) * 0x1000000 +
          (((bytes[at + 7] as number) << 16) | ((bytes[at + 8] as number) << 8) | (bytes[at + 9] as number));
      }
      if (length > end - start) break;
      if (this.#onFrame(first & 0x0f, bytes, start, start + length)) frames++;
      at = start + length;
    }
    if (at < end) this.#keep(bytes, at, end);
    return frames;
  }

  #keep(bytes: Uint8Array, at: number, end: number): void {
    this.#reserve(end - at);
    if (bytes === this.#carry) this.#carry.copyWithin(0, at, end);
    else this.#carry.set(bytes.subarray(at, end), 0);
    this.#carried = end - at;
  }

  #reserve(length: number): void {
    if (this.#carry.length >= length) return;
    const larger = Buffer.allocUnsafe(Math.max(length, this.#carry.length * 2, 4096));
    larger.set(this.#carry.subarray(0, this.#carried));
    this.#carry = larger;
  }
}

class Handshake {
  readonly #key: string;
  readonly #subprotocol: string | undefined;
  #answer = Buffer.alloc(0);

  constructor(key: string, subprotocol: string | undefined) {
    this.#key = key;
    this.#subprotocol = subprotocol;
  }

  request(options: ConnectOptions): string {
    return (
      `GET ${options.path} HTTP/1.1\r\nHost: ${options.host}:${options.port}\r\nUpgrade: websocket\r\n` +
      `Connection: Upgrade\r\nSec-WebSocket-Key: ${this.#key}\r\nSec-WebSocket-Version: 13\r\n` +
      (this.#subprotocol === undefined ? '\r\n' : `Sec-WebSocket-Protocol: ${this.#subprotocol}\r\n\r\n`)
    );
  }

  /** undefined while the answer's head is incomplete, then the bytes after it. */
  received(bytes: Uint8Array, length: number): Uint8Array | undefined {
    this.#answer = Buffer.concat([this.#answer, bytes.subarray(0, length)]);
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end === -1) return this.#answer.length > HANDSHAKE_BYTES_MAX ? new Uint8Array(0) : undefined;
    const rest = this.#answer.subarray(end + 4);
    this.#answer = this.#answer.subarray(0, end);
    return rest;
  }

  text(): string {
    return this.#answer.toString('latin1');
  }

  problem(): string | undefined {
    const [status = '', ...lines] = this.text().split('\r\n');
    if (!status.startsWith('HTTP/1.1 101 '))
      return `the server refused the WebSocket: ${status || '(no answer)'}`;
    const accept = createHash('sha1')
      .update(this.#key + GUID)
      .digest('base64');
    if (header(lines, 'sec-websocket-accept') !== accept) return 'the server answered another handshake key';
    const chosen = header(lines, 'sec-websocket-protocol');
    if (chosen === this.#subprotocol) return undefined;
    return `the server chose subprotocol ${chosen ?? 'none'}, not ${this.#subprotocol ?? 'none'}`;
  }
}

function header(lines: readonly string[], name: string): string | undefined {
  const line = lines.find((candidate) => candidate.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}
