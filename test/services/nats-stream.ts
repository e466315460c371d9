/** Cuts what a NATS server sends into its parts, wherever the chunks are split. */

const CR = 0x0d;
const LF = 0x0a;
/** The server's own bound is 4 KiB; INFO may be longer. */
const LINE_BYTES_MAX = 64 * 1024;

export interface NatsPart {
  /** The subject of a MSG or HMSG; undefined for all else (INFO, PING, PONG, +OK, -ERR). */
  readonly subject: string | undefined;
  /** The whole part as it came: line, payload and line ends. */
  readonly bytes: Buffer;
  /** Of a MSG; headers before it, if any. */
  readonly payload: Buffer;
}

export class NatsStream {
  #chunks: Buffer[] = [];
  #length = 0;
  /** There is no use in looking before so many bytes are there. */
  #needed = 1;

  /** The parts that `chunk` completes. Throws on what no server sends. */
  push(chunk: Buffer): NatsPart[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return [];
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const parts: NatsPart[] = [];
    let at = 0;
    this.#needed = 1;
    while (at < bytes.length) {
      const lineEnd = endOfLine(bytes, at);
      if (lineEnd === -1) {
        if (bytes.length - at > LINE_BYTES_MAX) throw new Error('no line of NATS is so long');
        this.#needed = bytes.length - at + 1;
        break;
      }
      const { subject, payloadBytes } = readLine(bytes.toString('latin1', at, lineEnd - 2));
      const end = subject === undefined ? lineEnd : lineEnd + payloadBytes + 2;
      if (end > bytes.length) {
        this.#needed = end - at;
        break;
      }
      const payload = bytes.subarray(lineEnd, Math.max(lineEnd, end - 2));
      parts.push({ subject, bytes: bytes.subarray(at, end), payload });
      at = end;
    }
    this.#chunks = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#length = bytes.length - at;
    return parts;
  }
}

/** Behind the CR LF of the line at `from`, or -1. */
function endOfLine(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] === CR) return at + 1;
  }
  return -1;
}

/** `MSG subject sid [reply] bytes`, `HMSG subject sid [reply] headerBytes allBytes`: the last counts both. */
function readLine(line: string): { subject: string | undefined; payloadBytes: number } {
  if (!/^H?MSG[ \t]/i.test(line)) return { subject: undefined, payloadBytes: 0 };
  const words = line.trim().split(/[ \t]+/);
  const payloadBytes = Number(words.at(-1));
  if (words.length < 4 || !Number.isSafeInteger(payloadBytes) || payloadBytes < 0)
    throw new Error(`not a line of NATS: ${JSON.stringify(line)}`);
  return { subject: words[1], payloadBytes };
}
