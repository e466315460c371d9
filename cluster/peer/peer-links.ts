import type { Bus, BusSubscription } from '../../src/core/cluster-ports.ts';
import { isUuid } from '../../src/core/ids.ts';
import type { Logger, System, Timer } from '../../src/core/ports.ts';
import type { PeerBounds } from './bounds.ts';
import { readHeader } from './packet.ts';
import { type LinkContext, type LinkListener, PeerLink } from './peer-link.ts';
import type { PeerMetrics } from './peer-metrics.ts';

export interface PeerLinksOptions {
  /** This process's id: a UUID of this term. */
  readonly self: string;
  /** Where the process listens, and where its peers do. */
  readonly ownSubject: string;
  readonly subjectOf: (peer: string) => string;
  readonly bus: Bus;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: PeerMetrics;
  readonly bounds: PeerBounds;
  readonly listener: LinkListener;
  /** Whether silence ends pinned links too. */
  readonly silenceEndsPinned: boolean;
}

/** At most one line about bad packets and frames in this time. */
const COMPLAIN_EVERY_MS = 10_000;

/** The links of a process to its peers over the bus: by contact, or asked for (`pin`). */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #context: LinkContext;
  readonly #links = new Map<string, PeerLink>();
  readonly #subscription: BusSubscription;
  readonly #beacons: Timer;
  #repairs: Timer | undefined;
  #toFlush: PeerLink[] = [];
  #lastBoot: number;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: PeerLinksOptions) {
    const { self, bounds, metrics, listener, bus, system, ownSubject } = options;
    if (!isUuid(self)) throw new TypeError(`a process is named by a UUID, not ${self}`);
    this.#options = options;
    this.#lastBoot = system.now();
    this.#context = {
      self,
      bounds,
      metrics,
      listener,
      budget: { bytes: 0 },
      monotonic: () => system.monotonic(),
      publish: (link, packet) => this.#publish(link, packet),
      flushSoon: (link) => this.#flushSoon(link),
      repairSoon: () => this.#repairSoon(),
    };
    this.#subscription = bus.subscribe(ownSubject, (bytes) => this.#receive(bytes));
    bus.onChange((connected) => {
      if (!this.#stopped) for (const link of this.#links.values()) link.busChanged(connected);
    });
    this.#beacons = system.every(bounds.beaconMs, () => this.#beat());
  }

  get size(): number {
    return this.#links.size;
  }

  get(peer: string): PeerLink | undefined {
    return this.#links.get(peer);
  }

  all(): IterableIterator<PeerLink> {
    return this.#links.values();
  }

  /** The link to a peer that is known to live; undefined when there are too many. */
  pin(peer: string): PeerLink | undefined {
    const known = this.#links.get(peer);
    const link = known ?? this.#open(peer);
    if (link === undefined) return undefined;
    link.pinned = true;
    if (known === undefined) link.beacon(); // so that it hears of this process at once
    return link;
  }

  close(peer: string): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    this.#links.delete(peer);
    this.#options.metrics.gauges.links = this.#links.size;
    link.close();
  }

  /** Counts, and now and then logs, what is no frame of this protocol or comes from a later one. */
  complain(peer: string, what: string): void {
    const { metrics, system, logger } = this.#options;
    metrics.counts.malformed++;
    if (system.monotonic() - this.#complainedAt < COMPLAIN_EVERY_MS) return;
    this.#complainedAt = system.monotonic();
    logger.warn({ peer, what, malformed: metrics.counts.malformed }, 'a peer sent what is not understood');
  }

  stop(): void {
    this.#stopped = true;
    this.#flush();
    this.#subscription.stop();
    this.#beacons.cancel();
    this.#repairs?.cancel();
    for (const peer of [...this.#links.keys()]) this.close(peer);
  }

  #open(peer: string): PeerLink | undefined {
    const { bounds, metrics, listener } = this.#options;
    if (this.#links.size >= bounds.linksMax) {
      this.complain(peer, 'more peers than there may be links');
      return undefined;
    }
    const link = new PeerLink(peer, ++this.#lastBoot, this.#context);
    this.#links.set(peer, link);
    metrics.gauges.links = this.#links.size;
    listener.opened(link);
    return link;
  }

  #receive(bytes: Uint8Array): void {
    const { metrics, self } = this.#options;
    if (this.#stopped) return;
    metrics.counts.packetsIn++;
    metrics.counts.bytesIn += bytes.length;
    const header = readHeader(bytes);
    if (header === undefined || header.from === self) {
      this.complain(header?.from ?? '', 'a packet');
      return;
    }
    const link = this.#links.get(header.from) ?? this.#open(header.from);
    link?.receive(header, bytes);
  }

  #publish(link: PeerLink, packet: Uint8Array): boolean {
    const { bus, metrics, subjectOf } = this.#options;
    if (!bus.connected || !bus.publish(subjectOf(link.peer), packet)) return false;
    metrics.counts.packetsOut++;
    metrics.counts.bytesOut += packet.length;
    return true;
  }

  #flushSoon(link: PeerLink): void {
    if (this.#toFlush.length === 0) this.#options.system.soon(this.#flush);
    this.#toFlush.push(link);
  }

  readonly #flush = (): void => {
    const links = this.#toFlush;
    this.#toFlush = [];
    for (const link of links) link.flush();
  };

  #repairSoon(): void {
    if (this.#repairs !== undefined || this.#stopped) return;
    this.#repairs = this.#options.system.after(this.#options.bounds.nakEveryMs, () => {
      this.#repairs = undefined;
      for (const link of [...this.#links.values()]) if (link.hasGap) link.repair();
      for (const link of this.#links.values()) if (link.hasGap) this.#repairSoon();
    });
  }

  #beat(): void {
    const { bus, metrics, system, bounds, silenceEndsPinned } = this.#options;
    const now = system.monotonic();
    let heldBytes = 0;
    for (const link of [...this.#links.values()]) {
      const isSilent = bus.connected && now - link.heardAt > bounds.silenceMsMax;
      if (isSilent && (silenceEndsPinned || !link.pinned)) this.close(link.peer);
      else link.beacon();
      heldBytes += link.heldBytes;
    }
    metrics.gauges.ringBytes = this.#context.budget.bytes;
    metrics.gauges.heldBytes = heldBytes;
  }
}
