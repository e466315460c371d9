/** Many members read many conversations: what their cursors cost the server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { uuidFromBytes } from '../../src/core/ids.ts';
import { encodeClient } from '../../src/protocol/client-codec.ts';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import type { ReadsPlan, ReadsResult } from '../plan.ts';
import { CpuMeter } from '../process-stats.ts';
import { directs } from '../topology.ts';
import { Clients, type LoadHandler } from './clients.ts';
import { fillConversations } from './fill.ts';
import { Problems } from './problems.ts';

const TICK_MS = 5;
/** From the last cursor to its being told. */
const SETTLE_MS = 3_000;

export class Reads implements LoadHandler {
  readonly #plan: ReadsPlan;
  readonly #progress: (text: string) => void;
  readonly #clients: Clients;
  readonly #topology: ReturnType<typeof directs>;
  readonly #convs: readonly string[];
  readonly #problems = new Problems();
  #sent = 0;
  #receipts = 0;

  constructor(plan: ReadsPlan, progress: (text: string) => void) {
    this.#plan = plan;
    this.#progress = progress;
    this.#clients = new Clients(plan.target, this.#problems.add);
    this.#topology = directs(plan.connections, plan.conversations);
    const { ids } = this.#topology;
    this.#convs = Array.from({ length: plan.conversations }, (_, c) => uuidFromBytes(ids, c * 16));
  }

  async run(): Promise<ReadsResult> {
    const { target, connections, conversations, readsPerSecond, warmupMs, measureMs } = this.#plan;
    await this.#clients.connect(connections);
    const messages = Math.ceil((readsPerSecond * (warmupMs + measureMs)) / 1_000 / conversations) + 1;
    await fillConversations(this.#clients, this.#topology, messages, this.#problems.add, this.#progress);
    this.#clients.handler = this;
    await this.#read(warmupMs);
    const meter = new CpuMeter(target.processes);
    const startedAt = performance.now();
    const [sentBefore, receiptsBefore] = [this.#sent, this.#receipts];
    await this.#read(measureMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = meter.use(seconds);
    const rates = {
      readsPerSecond: (this.#sent - sentBefore) / seconds,
      receiptsPerSecond: (this.#receipts - receiptsBefore) / seconds,
    };
    await sleep(SETTLE_MS);
    await this.#check();
    this.#clients.closeAll();
    return {
      job: 'reads',
      seconds,
      ...rates,
      ...(cpu !== undefined && { cpu }),
      checked: conversations,
      problemCount: this.#problems.count,
      problems: this.#problems.list,
    };
  }

  /** At the plan's rate; conversation after conversation, one message further each time round. */
  async #read(ms: number): Promise<void> {
    const { conversations, readsPerSecond } = this.#plan;
    const startedAt = performance.now();
    const sentBefore = this.#sent;
    for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - startedAt) {
      const due = sentBefore + Math.floor((elapsed * readsPerSecond) / 1_000);
      const frames = new Map<number, ReturnType<typeof encodeClient>[]>();
      for (; this.#sent < due; this.#sent++) {
        const conversation = this.#sent % conversations;
        const seq = Math.floor(this.#sent / conversations) + 1;
        const connection = this.#topology.memberAt(conversation, 1);
        const conv = this.#convs[conversation] as string;
        const frame = encodeClient({ t: 'read', conv, seq }, 'binary');
        const of = frames.get(connection);
        if (of === undefined) frames.set(connection, [frame]);
        else of.push(frame);
      }
      for (const [connection, all] of frames) {
        for (const frame of all) this.#clients.sockets[connection]?.sendBytes(frame);
        this.#clients.sockets[connection]?.flush(); // one socket at a time has unsent frames
      }
      await sleep(TICK_MS);
    }
  }

  /** Every cursor is where its last `read` put it. */
  async #check(): Promise<void> {
    const { conversations } = this.#plan;
    await this.#clients.requestAll(
      conversations,
      (conversation) => ({
        connection: this.#topology.memberAt(conversation, 0),
        request: { t: 'receipts', conv: this.#convs[conversation] as string },
      }),
      (conversation, frame) => {
        const expected = Math.floor((this.#sent - 1 - conversation) / conversations) + 1;
        const read = frame.t === 'receipts' ? frame.items[0]?.[2] : undefined;
        if (read !== expected)
          this.#problems.add(`conversation ${conversation}: read ${read}, not ${expected}`);
      },
    );
  }

  hot(): void {} // messages of the filling that come late
  readEnd(): void {}

  other(connection: number, frame: ServerFrame): void {
    if (frame.t === 'receipt') this.#receipts++;
    else if (frame.t === 'error')
      this.#problems.add(`connection ${connection}: ${frame.code} ${frame.message}`);
  }
}
