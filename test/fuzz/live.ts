import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { type RawData, WebSocket } from 'ws';
import { decodeServer, encodeClient } from '../../src/protocol/client-codec.ts';
import { type ServerFrame, SUBPROTOCOLS, type Subprotocol } from '../../src/protocol/frames.ts';
import { decodeClient } from '../../src/protocol/server-codec.ts';
import { type Mutant, mutants } from './mutate.ts';

export interface LiveFuzzReport {
  frames: number;
  /** Frames answered by `error`, by `bye` and a 41xx close, by the socket library's close, and taken as valid. */
  errors: number;
  byes: number;
  libraryCloses: number;
  valid: number;
  /** What was not answered as it must be, with how to make the frame again. */
  readonly findings: string[];
}

/** The socket library's own bound, beyond which it just hangs up. */
const LIBRARY_BYTES_MAX = 1024 * 1024;
const ANSWER_MS_MAX = 10_000;
const FINDINGS_MAX = 20;
const PING_ID_MIN = 2 ** 30;

/** Drives a live server with seeded mutants, over many connections of both subprotocols at a time. */
export async function fuzzServer(
  url: string,
  frames: number,
  seed: number,
  connections = 32,
): Promise<LiveFuzzReport> {
  const report: LiveFuzzReport = { frames: 0, errors: 0, byes: 0, libraryCloses: 0, valid: 0, findings: [] };
  const source = mutants(seed);
  let index = 0;
  const worker = async (n: number): Promise<void> => {
    const attackers = { binary: new Attacker(url, 'binary', n), json: new Attacker(url, 'json', n) };
    while (index < frames && report.findings.length < FINDINGS_MAX) {
      const mine = index++;
      const mutant = source.next().value as Mutant;
      const finding = await attackers[mutant.subprotocol].attack(mutant, report);
      report.frames++;
      if (finding !== undefined)
        report.findings.push(
          `seed ${seed}, frame ${mine} (${mutant.how}, ${mutant.subprotocol}): ${finding}`,
        );
    }
    for (const attacker of Object.values(attackers)) attacker.close();
  };
  await Promise.all(Array.from({ length: connections }, (_, n) => worker(n)));
  return report;
}

/** One connection, opened anew whenever the server has closed it. */
class Attacker {
  readonly #url: string;
  readonly #subprotocol: Subprotocol;
  readonly #user: string;
  #socket: WebSocket | undefined;
  #received: ServerFrame[] = [];
  #closeCode = 0;
  #wake: () => void = () => {};
  #pings = PING_ID_MIN;

  constructor(url: string, subprotocol: Subprotocol, n: number) {
    this.#url = `${url.replace('http', 'ws')}/v1/connect`;
    this.#subprotocol = subprotocol;
    this.#user = `${subprotocol}${n}`;
  }

  close(): void {
    this.#socket?.terminate();
  }

  /** Sends the mutant and a ping behind it; returns what is wrong with the answer, if anything. */
  async attack(mutant: Mutant, report: LiveFuzzReport): Promise<string | undefined> {
    const socket = await this.#open();
    this.#received = [];
    socket.send(mutant.bytes, { binary: mutant.isBinary });
    const id = ++this.#pings;
    socket.send(encodeClient({ t: 'ping', id }, this.#subprotocol));
    // A request that is valid is answered too, so that its id is free again for the next.
    const decoded = decodeClient(mutant.bytes, mutant.isBinary, this.#subprotocol);
    const own = decoded.t !== 'refused' && 'id' in decoded ? decoded.id : undefined;
    const has = (wanted: number): boolean =>
      this.#received.some((frame) => 'id' in frame && frame.id === wanted);
    const done = (): boolean => this.#closeCode !== 0 || (has(id) && (own === undefined || has(own)));
    if (!(await this.#until(done))) return `no answer to ${decoded.t}, or none to the ping behind it`;
    return this.#judge(mutant, report);
  }

  #judge(mutant: Mutant, report: LiveFuzzReport): string | undefined {
    const { bytes, isBinary } = mutant;
    const refusedByLibrary = bytes.length > LIBRARY_BYTES_MAX || (!isBinary && !isUtf8(bytes));
    if (refusedByLibrary) {
      report.libraryCloses++;
      return this.#closeCode === 0 ? 'the socket library let it through' : undefined;
    }
    const decoded = decodeClient(bytes, isBinary, this.#subprotocol);
    const bye = this.#received.find((frame) => frame.t === 'bye');
    if (this.#closeCode !== 0) {
      report.byes++;
      if (bye === undefined || bye.t !== 'bye') return `closed with ${this.#closeCode} without bye`;
      if (bye.code !== this.#closeCode || bye.code < 4_100 || bye.code > 4_199)
        return `bye ${bye.code}, close ${this.#closeCode}`;
      const mustClose = decoded.t === 'hello' || (decoded.t === 'refused' && decoded.close !== undefined);
      return mustClose || decoded.t === 'auth'
        ? undefined
        : `closed with ${bye.code}, though it decodes as ${decoded.t}`;
    }
    if (decoded.t !== 'refused') {
      report.valid++;
      return decoded.t === 'hello' ? 'a second hello was let through' : undefined;
    }
    if (decoded.close !== undefined) return `must be closed as ${decoded.close}: ${decoded.message}`;
    report.errors++;
    const answered = this.#received.some(
      (frame) =>
        frame.t === 'error' &&
        frame.code === decoded.code &&
        frame.id === decoded.id &&
        (frame.re ?? '') === (decoded.re ?? ''),
    );
    return answered
      ? undefined
      : `no error ${JSON.stringify(decoded)} among ${JSON.stringify(this.#received)}`;
  }

  async #open(): Promise<WebSocket> {
    if (this.#socket?.readyState === WebSocket.OPEN) return this.#socket;
    const socket = new WebSocket(this.#url, SUBPROTOCOLS[this.#subprotocol], { perMessageDeflate: false });
    this.#socket = socket;
    this.#closeCode = 0;
    this.#received = [];
    socket.on('message', (data: RawData, isBinary: boolean) => {
      const frame = decodeServer(
        isBinary ? (data as Buffer) : (data as Buffer).toString(),
        this.#subprotocol,
      );
      if (frame !== undefined) this.#received.push(frame);
      this.#wake();
    });
    socket.on('close', (code) => {
      this.#closeCode = code;
      this.#wake();
    });
    socket.on('error', () => this.#wake()); // `close` follows
    await once(socket, 'open');
    socket.send(encodeClient({ t: 'hello', token: `dev:${this.#user}`, device: 'd' }, this.#subprotocol));
    if (!(await this.#until(() => this.#received.some((frame) => frame.t === 'welcome'))))
      throw new Error('no welcome');
    return socket;
  }

  async #until(done: () => boolean): Promise<boolean> {
    const deadline = performance.now() + ANSWER_MS_MAX;
    while (!done()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }
}
