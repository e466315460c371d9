/** A device that has nothing yet syncs a long list: what `welcome` weighs, and how long it all takes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from '../../src/core/entry.ts';
import { uuidFromBytes } from '../../src/core/ids.ts';
import { decodeServer, encodeClient } from '../../src/protocol/client-codec.ts';
import {
  type ClientFrame,
  type ServerFrame,
  type Subprotocol,
  SUBPROTOCOLS,
} from '../../src/protocol/frames.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import type { Address, SyncPlan, SyncResult, SyncRound, Target } from '../plan.ts';
import { star, type Topology, user } from '../topology.ts';
import { Clients } from './clients.ts';
import { fillConversations, sendMessages } from './fill.ts';
import { Problems } from './problems.ts';
import { type FrameHandler, WireSocket } from './socket.ts';

/** The unread messages are spread over so many conversations, if there are as many. */
const UNREAD_CONVERSATIONS_MAX = 200;
/** From the last message until it is in the inbox. */
const SETTLE_MS = 3_000;
const ANSWER_MS_MAX = 15_000;
/** Before the first paint. */
const WELCOME_BYTES_MAX = 200_000;

export class Sync {
  readonly #plan: SyncPlan;
  readonly #progress: (text: string) => void;
  readonly #problems = new Problems();
  readonly #topology: Topology;
  /** By conversation. */
  readonly #unread: readonly number[];

  constructor(plan: SyncPlan, progress: (text: string) => void) {
    this.#plan = plan;
    this.#progress = progress;
    this.#topology = star(plan.conversations);
    const unread = new Array<number>(plan.conversations).fill(0);
    for (let i = 0; i < plan.unread; i++) {
      const conversation = this.#unreadTo(i);
      unread[conversation] = (unread[conversation] ?? 0) + 1;
    }
    this.#unread = unread;
  }

  /** The conversation of one of the unread messages. */
  #unreadTo(index: number): number {
    const { conversations, unread } = this.#plan;
    const over = Math.min(UNREAD_CONVERSATIONS_MAX, conversations, unread);
    return Math.floor(((index % over) * conversations) / over);
  }

  async run(): Promise<SyncResult> {
    const { conversations } = this.#plan;
    await this.#fill();
    const rounds: Record<Subprotocol, SyncRound[]> = { binary: [], json: [] };
    let checked = 0;
    for (let round = 1; round <= this.#plan.rounds; round++) {
      for (const form of ['binary', 'json'] as const) {
        this.#progress(`round ${round}: ${form}`);
        rounds[form].push(await this.#sync(form, `bench-${form}-${round}`));
        checked += conversations;
      }
    }
    return {
      job: 'sync',
      unreadConversations: this.#unread.filter((unread) => unread > 0).length,
      rounds,
      checked,
      problemCount: this.#problems.count,
      problems: this.#problems.list,
    };
  }

  /** One message to each conversation, read; then the unread ones. */
  async #fill(): Promise<void> {
    const { target, conversations, unread, bodyBytes } = this.#plan;
    const clients = new Clients(target, this.#problems.add);
    this.#progress(`connecting ${conversations + 1} clients`);
    await clients.connect(conversations + 1);
    await fillConversations(clients, this.#topology, 1, this.#problems.add, this.#progress, bodyBytes);
    for (let c = 0; c < conversations; c++)
      clients.sockets[0]?.sendBytes(encodeClient({ t: 'read', conv: this.#conv(c), seq: 1 }, 'binary'));
    clients.sockets[0]?.flush();
    await clients.request(0, { t: 'ping' });
    const to = (index: number): number => this.#unreadTo(index);
    await sendMessages(clients, this.#topology, unread, to, this.#problems.add, bodyBytes);
    await sleep(SETTLE_MS);
    clients.closeAll();
  }

  async #sync(form: Subprotocol, device: string): Promise<SyncRound> {
    const reader = await Reader.connect(this.#plan.target, form);
    const startedAt = performance.now();
    const welcome = await reader.ask({ t: 'hello', token: `dev:${user(0)}`, device });
    if (welcome.t !== 'welcome') throw new Error(`hello was answered by ${JSON.stringify(welcome)}`);
    const [welcomeMs, welcomeBytes] = [performance.now() - startedAt, reader.bytes];
    const entries = [...welcome.conversations];
    let { more, before } = welcome as { more: boolean; before?: string };
    for (let id = 1; more; id++) {
      const page = await reader.ask({ t: 'conversations', id, before, limit: LIMITS.conversationsLimitMax });
      if (page.t !== 'conversations') throw new Error(`a page was answered by ${JSON.stringify(page)}`);
      entries.push(...page.conversations);
      ({ more, before } = page);
    }
    const [allMs, allBytes] = [performance.now() - startedAt, reader.bytes];
    reader.close();
    this.#check(form, entries, welcome.badge);
    if (welcomeBytes >= WELCOME_BYTES_MAX)
      this.#problems.add(`${form}: ${welcomeBytes} bytes before the first paint`);
    return { welcomeBytes, welcomeEntries: welcome.conversations.length, welcomeMs, allBytes, allMs };
  }

  /** Each conversation is there once, with what was sent to it. */
  #check(form: Subprotocol, entries: readonly Entry[], badge: number): void {
    const { conversations, unread } = this.#plan;
    const byConv = new Map(entries.map((entry) => [entry.conv, entry]));
    if (entries.length !== conversations || byConv.size !== conversations)
      this.#problems.add(
        `${form}: ${entries.length} entries of ${byConv.size} of ${conversations} conversations`,
      );
    for (let c = 0; c < conversations; c++) {
      const entry = byConv.get(this.#conv(c));
      const expected = this.#unread[c] as number;
      if (entry?.unread !== expected || entry.head !== 1 + expected || entry.peer !== user(c + 1))
        this.#problems.add(`${form}: conversation ${c} has ${expected} unread, and ${JSON.stringify(entry)}`);
    }
    if (badge !== unread) this.#problems.add(`${form}: the badge is ${badge}, not ${unread}`);
  }

  #conv(conversation: number): string {
    return uuidFromBytes(this.#topology.ids, conversation * 16);
  }
}

/** A connection in one form of the wire that asks one thing at a time, and counts all that comes. */
class Reader implements FrameHandler {
  bytes = 0;
  readonly #form: Subprotocol;
  #socket: WireSocket | undefined;
  #answered: ((frame: ServerFrame) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(form: Subprotocol) {
    this.#form = form;
  }

  static async connect({ addresses, path }: Target, form: Subprotocol): Promise<Reader> {
    const { host, port } = addresses[0] as Address;
    const handler = new Reader(form);
    const subprotocol = SUBPROTOCOLS[form];
    handler.#socket = await WireSocket.connect({ host, port, path, subprotocol, handler, index: 0 });
    return handler;
  }

  ask(frame: ClientFrame): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${frame.t} was never answered`)), ANSWER_MS_MAX);
      this.#answered = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#failed = reject;
      this.#socket?.sendBytes(encodeClient(frame, this.#form));
      this.#socket?.flush();
    });
  }

  close(): void {
    this.#socket?.close();
  }

  frame(_socket: WireSocket, bytes: Uint8Array, start: number, end: number): void {
    this.bytes += headerBytes(end - start) + end - start;
    const frame = decodeServer(bytes.slice(start, end), this.#form);
    if (frame !== undefined && ANSWERS.has(frame.t)) this.#answered?.(frame);
  }

  readEnd(): void {}

  closed(_socket: WireSocket, code: number, reason: string): void {
    if (code !== 1000) this.#failed?.(new Error(`the connection was closed: ${code} ${reason}`));
  }
}

/** The rest is counted, and not waited for. */
const ANSWERS: ReadonlySet<ServerFrame['t']> = new Set(['welcome', 'conversations', 'error', 'bye']);

/** Of a server's frame with so large a payload. */
function headerBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return 2;
  return payloadBytes < 0x10000 ? 4 : 10;
}
