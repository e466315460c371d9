import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { Random } from '../fuzz/random.ts';
import { type NatsPart, NatsStream } from './nats-stream.ts';

/** What becomes of a message; `hold` keeps it until the next one of its rule and client, or until it is quiet. */
type Fate = 'pass' | 'drop' | 'hold';

interface Rule {
  readonly matches: RegExp;
  decide(part: NatsPart): Fate;
  /** Of a `hold`: how long no further message makes it the last of its burst. */
  readonly quietMs: number;
  /** A held message was the last. */
  wasLast(): Fate;
  dropped: number;
}

/** What a rule did so far; `stop` ends it. */
export interface Loss {
  readonly dropped: number;
  stop(): void;
}

/**
 * Stands between clients and one nats-server, and loses what it is told to of the messages that the server sends:
 * of all connections through it together. All else passes byte for byte and in order; only a held message may be
 * overtaken by others than those of its rule.
 */
export class NatsProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #rules: Rule[] = [];
  #delayMs = 0;
  #isCut = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(to: { readonly host: string; readonly port: number }): Promise<NatsProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    const proxy = new NatsProxy(server, address.port);
    server.on('connection', (client) => proxy.#accept(client, to));
    return proxy;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Loses the next `count` messages on subjects that match, of those whose payload `isMeant`. */
  dropNext(count: number, matches: RegExp, isMeant: (payload: Uint8Array) => boolean = () => true): Loss {
    let left = count;
    return this.#add(matches, ({ payload }) => (isMeant(payload) && left-- > 0 ? 'drop' : 'pass'));
  }

  /** Loses each message with a chance of `fraction`; the seed decides which. */
  dropFraction(fraction: number, matches: RegExp, seed: number): Loss {
    const random = new Random(seed);
    return this.#add(matches, () => (random.below(1_000_000) < fraction * 1_000_000 ? 'drop' : 'pass'));
  }

  /** Loses exactly the last message of the next `bursts`: one that no other follows, at its client, for `quietMs`. */
  dropLast(matches: RegExp, quietMs: number, bursts = 1): Loss {
    let left = bursts;
    return this.#add(
      matches,
      () => (left > 0 ? 'hold' : 'pass'),
      quietMs,
      () => (left-- > 0 ? 'drop' : 'pass'),
    );
  }

  /** Delays what the server sends; 0 ends it. */
  setDelay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Cuts all connections and lets none through until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const link of this.#links) link.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  /** A dead link: connections stay open and nothing passes in either direction (true), or all of it goes on (false). */
  stall(stalled: boolean): void {
    for (const link of this.#links) link.stall(stalled);
  }

  async stop(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(client: Socket, to: { readonly host: string; readonly port: number }): void {
    if (this.#isCut) {
      client.destroy();
      return;
    }
    const link: Link = new Link(client, connect(to.port, to.host), {
      rules: this.#rules,
      delayMs: () => this.#delayMs,
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }

  #add(
    matches: RegExp,
    decide: (part: NatsPart) => Fate,
    quietMs = 0,
    wasLast: () => Fate = () => 'pass',
  ): Loss & { dropped: number } {
    const rule = { matches, decide, quietMs, wasLast, dropped: 0 };
    this.#rules.push(rule);
    return {
      get dropped() {
        return rule.dropped;
      },
      stop: () => {
        const at = this.#rules.indexOf(rule);
        if (at !== -1) this.#rules.splice(at, 1);
        for (const link of this.#links) link.release(rule);
      },
    };
  }
}

interface LinkContext {
  readonly rules: readonly Rule[];
  delayMs(): number;
  closed(): void;
}

interface Held {
  readonly part: NatsPart;
  readonly timer: NodeJS.Timeout;
}

/** One client's connection through the proxy. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #context: LinkContext;
  readonly #stream = new NatsStream();
  readonly #held = new Map<Rule, Held>();
  /** What waits for its delay, in order: a shorter delay never overtakes a longer one. */
  readonly #delayed: { readonly bytes: Buffer; readonly at: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isStalled = false;

  constructor(client: Socket, server: Socket, context: LinkContext) {
    this.#client = client;
    this.#server = server;
    this.#context = context;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.destroy());
      socket.on('close', () => this.destroy());
    }
    client.pipe(server);
    server.on('data', (chunk: Buffer) => this.#receive(chunk));
    client.on('drain', () => {
      if (!this.#isStalled) server.resume();
    });
  }

  stall(stalled: boolean): void {
    this.#isStalled = stalled;
    for (const socket of [this.#client, this.#server]) {
      if (stalled) socket.pause();
      else socket.resume();
    }
  }

  /** Lets go what the rule holds. */
  release(rule: Rule): void {
    const held = this.#held.get(rule);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#held.delete(rule);
    this.#send(held.part.bytes);
  }

  destroy(): void {
    clearTimeout(this.#timer);
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#client.destroy();
    this.#server.destroy();
    this.#context.closed();
  }

  #receive(chunk: Buffer): void {
    const out: Buffer[] = [];
    for (const part of this.#stream.push(chunk)) {
      const { subject } = part;
      const rule =
        subject === undefined ? undefined : this.#context.rules.find((each) => each.matches.test(subject));
      if (rule === undefined) out.push(part.bytes);
      else this.#judge(rule, part, out);
    }
    if (out.length > 0) this.#send(Buffer.concat(out));
  }

  #judge(rule: Rule, part: NatsPart, out: Buffer[]): void {
    const before = this.#held.get(rule);
    if (before !== undefined) {
      clearTimeout(before.timer);
      this.#held.delete(rule);
      out.push(before.part.bytes);
    }
    const fate = rule.decide(part);
    if (fate === 'pass') out.push(part.bytes);
    else if (fate === 'drop') rule.dropped++;
    else {
      const timer = setTimeout(() => {
        this.#held.delete(rule);
        if (rule.wasLast() === 'drop') rule.dropped++;
        else this.#send(part.bytes);
      }, rule.quietMs);
      this.#held.set(rule, { part, timer });
    }
  }

  #send(bytes: Buffer): void {
    const delayMs = this.#context.delayMs();
    if (delayMs === 0 && this.#delayed.length === 0) {
      this.#write(bytes);
      return;
    }
    this.#delayed.push({ bytes, at: performance.now() + delayMs });
    if (this.#delayed.length === 1) this.#writeLater();
  }

  #writeLater(): void {
    const [next] = this.#delayed;
    if (next === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#delayed.shift();
        this.#write(next.bytes);
        this.#writeLater();
      },
      Math.max(0, next.at - performance.now()),
    );
  }

  #write(bytes: Buffer): void {
    if (!this.#client.destroyed && !this.#client.write(bytes)) this.#server.pause();
  }
}
