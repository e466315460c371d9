import { PEER_BOUNDS, type PeerBounds } from '../../../cluster/peer/bounds.ts';
import type { LinkListener, PeerLink } from '../../../cluster/peer/peer-link.ts';
import { PeerLinks } from '../../../cluster/peer/peer-links.ts';
import { newPeerMetrics } from '../../../cluster/peer/peer-metrics.ts';
import { writeFrame } from '../../../cluster/peer/flow-sender.ts';
import type { Logger } from '../../../src/core/ports.ts';
import { readU32, writeU32 } from '../../../src/protocol/message-frame.ts';
import type { VirtualSystem } from '../../sim/virtual-system.ts';
import type { RoughBus, RoughNet } from './rough-bus.ts';

export const SILENT: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/** The `i`th of a row of process ids. */
export function processId(i: number): string {
  return `0000000${i}-0000-7000-8000-000000000000`;
}

/** One process's end of its links: frames are numbers, and what it is told is kept. */
export class End implements LinkListener {
  readonly id: string;
  readonly bus: RoughBus;
  readonly links: PeerLinks;
  readonly metrics = newPeerMetrics();
  /** By peer, what came since the last incoming reset. */
  readonly got = new Map<string, number[]>();
  readonly told: string[] = [];
  acknowledgedTo = 0;
  /** Frames that came in the wrong flow or order. */
  readonly mixed: string[] = [];
  /** By peer, the flow that its frames are of. */
  readonly #flows = new Map<string, number>();

  constructor(
    i: number,
    system: VirtualSystem,
    net: RoughNet,
    bounds: Partial<PeerBounds> = {},
    sticky = true,
  ) {
    this.id = processId(i);
    this.bus = net.client();
    this.links = new PeerLinks({
      self: this.id,
      ownSubject: `p.${this.id}`,
      subjectOf: (peer) => `p.${peer}`,
      bus: this.bus,
      system,
      logger: SILENT,
      metrics: this.metrics,
      bounds: { ...PEER_BOUNDS, ...bounds },
      listener: this,
      silenceEndsPinned: !sticky,
    });
  }

  /** Sends a number in a frame of `bytes`. */
  send(to: End, number: number, bytes = 4): void {
    const link = this.links.pin(to.id);
    if (link === undefined) throw new Error('no link');
    const frame = new Uint8Array(bytes);
    writeU32(frame, 0, number);
    writeFrame(link, frame);
  }

  /** Sends a number that rises over all flows, in a frame that names the flow as its sender knows it. */
  sendInFlow(to: End, number: number): void {
    const link = this.links.pin(to.id);
    if (link === undefined) throw new Error('no link');
    const frame = new Uint8Array(8);
    writeU32(frame, 0, number);
    writeU32(frame, 4, (link.boot % 10_000) * 1_000 + link.flow);
    writeFrame(link, frame);
  }

  from(peer: End): number[] {
    return this.got.get(peer.id) ?? [];
  }

  opened(link: PeerLink): void {
    this.told.push('opened');
    this.#flows.delete(link.peer);
    this.got.set(link.peer, []);
  }
  frame(link: PeerLink, bytes: Uint8Array, start: number, end: number): void {
    const number = readU32(bytes, start);
    if (end - start === 8) {
      const flow = readU32(bytes, start + 4);
      const known = this.#flows.get(link.peer) ?? flow;
      const last = (this.got.get(link.peer) ?? []).at(-1) ?? 0;
      if (flow !== known || number <= last) this.mixed.push(`${number} of ${flow} after ${last} of ${known}`);
      this.#flows.set(link.peer, flow);
    }
    this.got.get(link.peer)?.push(number);
  }
  incomingReset(link: PeerLink): void {
    this.#flows.delete(link.peer);
    this.told.push('incomingReset');
    this.got.set(link.peer, []);
  }
  incomingLost(): void {
    this.told.push('incomingLost');
  }
  outgoingReset(): void {
    this.told.push('outgoingReset');
  }
  outgoingLost(): void {
    this.told.push('outgoingLost');
  }
  acknowledged(_link: PeerLink, seq: number): void {
    this.acknowledgedTo = seq;
  }
  closed(): void {
    this.told.push('closed');
  }
}
