/** One load, from connecting to the verdict. Every frame is checked on the way. */
import {
  BODY_BYTES_AT,
  MESSAGE_HEADER_BYTES,
  readU32,
  readU64,
  SEQ_AT,
} from '../../src/protocol/message-frame.ts';
import { uuidFromBytes } from '../../src/core/ids.ts';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { Checker } from '../checker.ts';
import type { LoadPlan, LoadResult } from '../plan.ts';
import { CpuMeter } from '../process-stats.ts';
import { ClusterMeter } from '../scrape.ts';
import { directs, group, type Topology, user } from '../topology.ts';
import { Clients, type LoadHandler } from './clients.ts';
import * as frames from './frames.ts';
import { LatencyRecorder } from './latency.ts';
import { Sender } from './sender.ts';

const SETTLE_MS_MAX = 15_000;
const PROGRESS_MS = 1_000;

type Measured = Pick<LoadResult, 'seconds' | 'acked' | 'deliveries' | 'cpu' | 'cluster'>;

export class Load implements LoadHandler {
  readonly #plan: LoadPlan;
  readonly #progress: (text: string) => void;
  readonly #topology: Topology;
  readonly #checker: Checker;
  readonly #clients: Clients;
  readonly #ackLatency = new LatencyRecorder();
  readonly #receiveLatency = new LatencyRecorder();
  readonly #refused: Record<string, number> = {};
  #sender: Sender | undefined;
  #measuring = false;
  #acked = 0;
  #deliveries = 0;
  /** Reads with any of the load's frames, and those with a message among them. */
  #reads = 0;
  #messageReads = 0;
  /** The time of the read in hand; 0 between reads. */
  #now = 0;
  #messagesInRead = 0;

  constructor(plan: LoadPlan, progress: (text: string) => void) {
    this.#plan = plan;
    this.#progress = progress;
    this.#topology =
      plan.job === 'group' || plan.job === 'publish'
        ? group(plan.connections, plan.senders, `bench ${plan.target.processes[0]?.pid}`)
        : directs(plan.connections, plan.conversations, plan.target.addresses.length > 1);
    const views = plan.job === 'echo' ? 0 : this.#topology.members;
    this.#checker = new Checker(views === 0 ? 0 : this.#topology.conversations, views);
    this.#clients = new Clients(plan.target, (text) => this.#checker.problem(text));
  }

  async run(): Promise<LoadResult> {
    const plan = this.#plan;
    this.#progress(`connecting ${plan.connections} clients`);
    await this.#clients.connect(plan.connections);
    this.#clients.handler = this;
    if (plan.target.subprotocol !== undefined) {
      this.#progress(`creating ${this.#topology.conversations} conversation(s)`);
      await createConversations(this.#clients, this.#topology);
      if (this.#topology.kind === 'group') this.#checker.startAfter(0, 1); // the group's `sys.created`
    }
    plan.heads?.forEach((head, conversation) => this.#checker.startAfter(conversation, head));
    const { window, bodyBytes, ratePerSecond } = plan;
    const { sockets } = this.#clients;
    const sender = new Sender({ topology: this.#topology, sockets, window, bodyBytes, ratePerSecond });
    this.#sender = sender;
    sender.start();
    await this.#watch('warm-up', plan.warmupMs);
    const measured = await this.#measure();
    sender.stop();
    await this.#settle(sender);
    this.#checker.finish();
    this.#clients.closeAll();
    return this.#result(measured);
  }

  async #measure(): Promise<Measured> {
    const { processes, admin } = this.#plan.target;
    const clusterMeter = admin && (await ClusterMeter.start(admin));
    const meter = new CpuMeter(processes);
    const startedAt = performance.now();
    this.#acked = 0;
    this.#deliveries = 0;
    this.#reads = 0;
    this.#messageReads = 0;
    this.#measuring = true;
    await this.#watch('measuring', this.#plan.measureMs);
    this.#measuring = false;
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = meter.use(seconds);
    const cluster = await clusterMeter?.use();
    return { seconds, acked: this.#acked, deliveries: this.#deliveries, cpu, cluster };
  }

  /** Waits, tells how it goes, and ends early when enough was acked or the run has failed. */
  async #watch(phase: string, ms: number): Promise<void> {
    const end = performance.now() + ms;
    let before = this.#answered();
    let toldAt = performance.now();
    for (;;) {
      const left = end - performance.now();
      if (left <= 0 || this.#checker.problemCount > 0) return;
      if (this.#answered() >= (this.#plan.ackedMax ?? Number.POSITIVE_INFINITY)) return;
      await sleep(Math.min(left, 50));
      const now = performance.now();
      if (now - toldAt < PROGRESS_MS) continue;
      const answered = this.#answered();
      this.#progress(`${phase}: ${Math.round((answered - before) / ((now - toldAt) / 1000))} acks/s`);
      before = answered;
      toldAt = now;
    }
  }

  #answered(): number {
    return this.#checker.acked;
  }

  async #settle(sender: Sender): Promise<void> {
    const end = performance.now() + (this.#plan.settleMsMax ?? SETTLE_MS_MAX);
    while (sender.unanswered > 0 || !this.#checker.settled()) {
      if (performance.now() > end || this.#checker.problemCount > 0) break;
      await sleep(20);
    }
    if (sender.unanswered > 0) this.#checker.problem(`${sender.unanswered} sends were never answered`);
  }

  #result({ seconds, acked, deliveries, cpu, cluster }: Measured): LoadResult {
    const checker = this.#checker;
    const heads = Array.from(
      { length: this.#plan.job === 'echo' ? 0 : this.#topology.conversations },
      (_, c) => checker.head(c, 0),
    );
    return {
      job: this.#plan.job,
      seconds,
      acked,
      ackedPerSecond: acked / seconds,
      deliveries,
      deliveriesPerSecond: deliveries / seconds,
      ackLatency: this.#ackLatency.summary(),
      receiveLatency: this.#receiveLatency.summary(),
      framesPerRead: this.#reads === 0 ? 0 : (acked + deliveries) / this.#reads,
      messagesPerRead: this.#messageReads === 0 ? 0 : deliveries / this.#messageReads,
      refused: this.#refused,
      cpu,
      cluster,
      checked: {
        conversations: this.#topology.conversations,
        acked: checker.acked,
        delivered: checker.delivered,
      },
      heads,
      problemCount: checker.problemCount,
      problems: checker.problems,
    };
  }

  hot(connection: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#now === 0) this.#now = performance.now();
    if (type === frames.MESSAGE) this.#onMessage(connection, bytes, start, end);
    else if (type === frames.ACK) this.#onAck(connection, bytes, start, end);
    else this.#onEcho(connection, bytes, start, end);
  }

  readEnd(connection: number): void {
    if (this.#now === 0) return;
    if (this.#measuring) {
      this.#reads++;
      if (this.#messagesInRead > 0) this.#messageReads++;
    }
    this.#messagesInRead = 0;
    this.#sender?.pump(connection, this.#now);
    this.#now = 0;
  }

  #onAck(connection: number, bytes: Uint8Array, start: number, end: number): void {
    const conversation = frames.cmidConversation(bytes, start + frames.CMID_AT);
    const number = frames.cmidNumber(bytes, start + frames.CMID_AT);
    if (end - start !== frames.ACK_BYTES || bytes[start + 1] !== 0) {
      this.#checker.problem(
        `connection ${connection}: an ack of ${end - start} bytes with flags ${bytes[start + 1]}`,
      );
      return;
    }
    if (!this.#answers(connection, 'ack', conversation, number, bytes, start)) return;
    const view = this.#topology.viewOf(conversation, connection);
    this.#checker.ack(conversation, view, readU64(bytes, start + 40), number);
  }

  #onEcho(connection: number, bytes: Uint8Array, start: number, end: number): void {
    const conversation = frames.cmidConversation(bytes, start + frames.CMID_AT);
    const number = frames.cmidNumber(bytes, start + frames.CMID_AT);
    if (end - start !== frames.SEND_HEADER_BYTES + this.#plan.bodyBytes || this.#plan.job !== 'echo') {
      this.#checker.problem(`connection ${connection}: a send of ${end - start} bytes came back`);
      return;
    }
    if (this.#answers(connection, 'echo', conversation, number, bytes, start)) this.#checker.acked++;
  }

  /** Matches an answer with what was sent, and takes its latency. */
  #answers(
    connection: number,
    frame: string,
    conversation: number,
    number: number,
    bytes: Uint8Array,
    start: number,
  ): boolean {
    const id = readU32(bytes, start + frames.ID_AT);
    const known = frames.convMatches(bytes, start + frames.CONV_AT, this.#topology.ids, conversation);
    if (!known || this.#sender?.answered(connection, id, conversation, number) !== true) {
      this.#checker.problem(
        `connection ${connection}: ${frame} ${id} for message ${number} answers nothing unanswered`,
      );
      return false;
    }
    if (this.#measuring) {
      this.#acked++;
      const sentAt = this.#sender.sentAt(number);
      if (sentAt !== undefined) this.#ackLatency.recordMs(this.#now - sentAt);
    }
    return true;
  }

  #onMessage(connection: number, bytes: Uint8Array, start: number, end: number): void {
    const number = frames.cmidNumber(bytes, start + frames.CMID_AT);
    const conversation = frames.cmidConversation(bytes, start + frames.CMID_AT);
    const kindBytes = bytes[start + 2] as number;
    // The group's `sys.created`, which views start after; it may come after the first connection was answered.
    if (kindBytes > 0 && readU64(bytes, start + SEQ_AT) === 1) return;
    const bodyAt =
      start + MESSAGE_HEADER_BYTES + kindBytes + (bytes[start + 3] as number) + (bytes[start + 4] as number);
    const bodyBytes = readU32(bytes, start + BODY_BYTES_AT);
    const sentAt = this.#sender?.sentAt(number);
    if (
      sentAt === undefined ||
      bodyBytes !== this.#plan.bodyBytes ||
      bodyAt + bodyBytes !== end ||
      !frames.convMatches(bytes, start + frames.CONV_AT, this.#topology.ids, conversation) ||
      !frames.bodyNames(bytes, bodyAt, number)
    ) {
      this.#checker.problem(
        `connection ${connection}: a message that was never sent so (${end - start} bytes, number ${number})`,
      );
      return;
    }
    this.#messagesInRead++;
    const view = this.#topology.viewOf(conversation, connection);
    this.#checker.message(conversation, view, readU64(bytes, start + SEQ_AT), number);
    if (!this.#measuring) return;
    this.#deliveries++;
    this.#receiveLatency.recordMs(this.#now - sentAt);
  }

  other(connection: number, frame: ServerFrame): void {
    if (frame.t === 'error' && frame.id !== undefined && this.#sender !== undefined) {
      this.#refused[frame.code] = (this.#refused[frame.code] ?? 0) + 1;
      const known = this.#sender.refused(connection, frame.id, frame.retryAfterMs ?? 0);
      if (known && frame.retryable && frame.code !== 'timed_out_unknown') return;
    }
    // Both may precede or repeat what the messages say; neither changes what must arrive.
    if (frame.t === 'conversation' || (frame.t === 'head' && this.#sender === undefined)) return;
    if (frame.t === 'head' && frame.seq <= this.#furthest(frame.conv)) return;
    this.#checker.problem(`connection ${connection} got ${JSON.stringify(frame)}`);
  }

  /** The highest seq that anyone has seen of a conversation (0: unknown). */
  #furthest(conv: string): number {
    for (let c = 0; c < this.#topology.conversations; c++) {
      if (uuidFromBytes(this.#topology.ids, c * 16) !== conv) continue;
      let furthest = 0;
      for (let v = 0; v < this.#topology.members; v++)
        furthest = Math.max(furthest, this.#checker.head(c, v));
      return furthest;
    }
    return 0;
  }
}

/** Creates each conversation over the wire, in the name of its first member. */
export async function createConversations(clients: Clients, topology: Topology): Promise<void> {
  await clients.requestAll(
    topology.conversations,
    (conversation) => {
      const connection = topology.memberAt(conversation, 0);
      const others = Array.from({ length: topology.members - 1 }, (_, v) =>
        user(topology.memberAt(conversation, v + 1)),
      );
      const conv = uuidFromBytes(topology.ids, conversation * 16);
      const request =
        topology.kind === 'direct'
          ? { t: 'create' as const, kind: 'direct' as const, members: others }
          : { t: 'create' as const, kind: 'group' as const, members: others, title: 'bench', conv };
      return { connection, request };
    },
    (conversation, frame) => {
      const conv = uuidFromBytes(topology.ids, conversation * 16);
      if (frame.t !== 'created') throw new Error(`create was answered by ${frame.t}`);
      if (frame.conv !== conv) throw new Error(`created ${frame.conv}, not the expected ${conv}`);
    },
  );
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
