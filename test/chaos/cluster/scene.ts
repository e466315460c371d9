import type { Client } from '../../../src/client/index.ts';
import { sleep, until } from '../../support/server-process.ts';
import type { Load, Talk } from '../talks.ts';
import { type HandoffTimes, handoffTimes, since } from './handoff-metric.ts';
import type { Pauses } from './pauses.ts';
import { idOf } from './ring.ts';
import type { Site, SiteNode } from './site.ts';
import type { StoreClient } from './store-client.ts';

/** What all scenes play on. */
export interface Stage {
  readonly site: Site;
  readonly store: StoreClient;
  readonly talks: readonly Talk[];
  readonly load: Load;
  readonly pauses: Pauses;
  readonly find: (text: string) => void;
  readonly progress: (line: string) => void;
}

/** What one scene measured. Times in ms. */
export interface Measures {
  /** Of each conversation of a lost owner: from the loss until a message sent then was acked. */
  readonly firstAcks: number[];
  /** Of each conversation that moved: its slowest ack. */
  readonly pauses: number[];
  /** The nodes' own view of each hand-over. */
  readonly handoffs: HandoffTimes[];
  /** Of each conversation: from the end of an outage until a message that waited was acked. */
  readonly backs: number[];
  moved: number;
}

const PROBE_MS_MAX = 90_000;
const TERM_MS_MAX = 30_000;
const GATHER_FIRST_MS_MAX = 60_000;
const GATHER_MS_MAX = 300_000;
const GATHER_LOOK_MS = 500;
const STEADY_MS = 4_000;

/** A fault at work, alone or beside another. */
export class Scene {
  readonly stage: Stage;
  /** A seeded number that says who is struck. */
  readonly pick: number;
  readonly measures: Measures = { firstAcks: [], pauses: [], handoffs: [], backs: [], moved: 0 };
  readonly #probes: Promise<void>[] = [];

  constructor(stage: Stage, pick: number) {
    this.stage = stage;
    this.pick = pick;
  }

  get sequencer(): SiteNode {
    return this.#struck(this.stage.site.sequencers.slice(0, this.stage.site.size.sequencers));
  }

  get edge(): SiteNode {
    return this.#struck(this.stage.site.edges);
  }

  note(text: string): void {
    this.stage.progress(`    ${text}`);
  }

  find(text: string): void {
    this.stage.find(text);
  }

  /** Sends one message in each of these conversations, and takes the time until its ack, from `from` (now) on. */
  probe(convs: ReadonlySet<string>, times: number[], from?: () => number): void {
    const started = performance.now();
    for (const talk of this.stage.talks) {
      if (!convs.has(talk.conv)) continue;
      const acked = this.stage.load.send(talk, talk.senders[0] as Client).then((seq) => {
        if (seq !== undefined) times.push(performance.now() - (from?.() ?? started));
      });
      this.#probes.push(acked);
    }
  }

  /** Until all probes are acked; a finding if they never are. */
  async probed(): Promise<void> {
    let left = true;
    void Promise.all(this.#probes).then(() => (left = false));
    await until('the first acks again', PROBE_MS_MAX, () => !left).catch((error: unknown) =>
      this.find(String(error)),
    );
  }

  /**
   * Waits until a node has another id than it had: its term is over. Beside a fault of the store it may be live all the
   * same: nobody is taken for dead while reads of the leases fail.
   */
  async termEnds(node: SiteNode, id: string | undefined): Promise<void> {
    const end = performance.now() + TERM_MS_MAX;
    while (performance.now() < end) {
      const now = await idOf(node.process);
      if (now !== undefined && now !== id) return;
      await sleep(100);
    }
    if (await this.stage.store.isLive(id)) this.note(`nobody has ended the term of ${node.process.name}`);
    else this.find(`${node.process.name} goes on with the term ${id}, which others ended`);
  }

  /** Waits until a node that has come owns what the ring gives it: its share has begun, and grows no more. */
  async gathers(id: string | undefined): Promise<void> {
    const end = performance.now() + GATHER_MS_MAX;
    let [size, since] = [0, performance.now()];
    while (performance.now() < end && (size > 0 || performance.now() - since < GATHER_FIRST_MS_MAX)) {
      await sleep(GATHER_LOOK_MS);
      const now = (await this.stage.store.ownedBy(id)).size;
      if (now !== size) [size, since] = [now, performance.now()];
      if (size > 0 && performance.now() - since > STEADY_MS) return;
    }
    const waited = Math.round((performance.now() - since) / 1_000);
    throw new Error(`the node ${id} that came owns ${size} conversations, the last of them ${waited} s ago`);
  }

  /** Does something in which conversations are handed over, and measures it. */
  async moves(work: () => Promise<void>): Promise<void> {
    const { stage, measures } = this;
    const nodes = stage.site.processes.filter(({ role }) => role === 'sequencer');
    const before = await stage.store.owners();
    const times = new Map(
      await Promise.all(nodes.map(async (each) => [each, await handoffTimes(each)] as const)),
    );
    stage.pauses.begin();
    await work();
    const after = await stage.store.owners();
    const moved = [...after].filter(([conv, owner]) => before.has(conv) && before.get(conv) !== owner);
    measures.moved += moved.length;
    measures.pauses.push(...stage.pauses.of(moved.map(([conv]) => conv)));
    for (const node of nodes)
      measures.handoffs.push(since(times.get(node) ?? new Map(), await handoffTimes(node)));
  }

  #struck(nodes: readonly SiteNode[]): SiteNode {
    return nodes[this.pick % nodes.length] as SiteNode;
  }
}
