/** Asks a Node process that runs with `--inspect` for its memory, once its garbage is collected, or for a profile. */
import { WireSocket } from './generator/socket.ts';

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

interface Reply {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: string }; readonly profile?: object };
  readonly error?: { readonly message: string };
}

const SAMPLING_US = 1_000;

export class Inspector {
  #socket: WireSocket | undefined;
  #nextId = 1;
  readonly #waiting = new Map<number, (reply: Reply) => void>();

  static async connect(port: number): Promise<Inspector> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      webSocketDebuggerUrl: string;
    }[];
    const url = new URL(targets[0]?.webSocketDebuggerUrl ?? '');
    const inspector = new Inspector();
    inspector.#socket = await WireSocket.connect({
      host: '127.0.0.1',
      port,
      path: url.pathname,
      index: 0,
      handler: {
        frame: (_socket, bytes, start, end) =>
          inspector.#received(Buffer.from(bytes.subarray(start, end)).toString()),
        readEnd: () => {},
        closed: () => {
          for (const reply of inspector.#waiting.values())
            reply({ error: { message: 'the inspector closed' } });
        },
      },
    });
    return inspector;
  }

  async collectGarbage(): Promise<void> {
    await this.#call('HeapProfiler.collectGarbage', {});
  }

  async memory(): Promise<Memory> {
    const reply = await this.#call('Runtime.evaluate', {
      expression: 'JSON.stringify(process.memoryUsage())',
    });
    return JSON.parse(reply.result?.result?.value ?? '') as Memory;
  }

  async startProfile(): Promise<void> {
    await this.#call('Profiler.enable', {});
    await this.#call('Profiler.setSamplingInterval', { interval: SAMPLING_US });
    await this.#call('Profiler.start', {});
  }

  /** The text of a .cpuprofile. */
  async stopProfile(): Promise<string> {
    const reply = await this.#call('Profiler.stop', {});
    return JSON.stringify(reply.result?.profile);
  }

  close(): void {
    this.#socket?.close();
  }

  async #call(method: string, params: object): Promise<Reply> {
    const id = this.#nextId++;
    const answered = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.#socket?.sendBytes(JSON.stringify({ id, method, params }));
    this.#socket?.flush();
    const reply = await answered;
    if (reply.error !== undefined) throw new Error(`${method}: ${reply.error.message}`);
    return reply;
  }

  #received(text: string): void {
    const reply = JSON.parse(text) as Reply;
    if (reply.id === undefined) return; // an event
    this.#waiting.get(reply.id)?.(reply);
    this.#waiting.delete(reply.id);
  }
}
