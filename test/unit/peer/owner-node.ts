import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { ActorHost } from '../../../cluster/actor-host.ts';
import type { HostMetrics } from '../../../cluster/host-options.ts';
import type { PeerBounds } from '../../../cluster/peer/bounds.ts';
import { newPeerMetrics } from '../../../cluster/peer/peer-metrics.ts';
import { type Conversations, RemoteEdges } from '../../../cluster/peer/remote-edges.ts';
import type { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { ConversationActor } from '../../../src/core/actor.ts';
import type { Entry } from '../../../src/core/entry.ts';
import type { ConversationRequest } from '../../../src/core/requests.ts';
import type { VirtualSystem } from '../../sim/virtual-system.ts';
import { processId, SILENT } from './link-rig.ts';
import type { RoughBus, RoughNet } from './rough-bus.ts';

/** A sequencer process: the real host and actors over a store, behind the bus. */
export class OwnerNode implements Conversations {
  readonly id: string;
  readonly bus: RoughBus;
  readonly metrics = newPeerMetrics();
  readonly edges: RemoteEdges;
  readonly host: ActorHost;
  readonly actors = new Map<string, ConversationActor>();
  /** What was taken in, re-sends too. */
  readonly taken: ConversationRequest[] = [];
  otherOwnerOf: (conv: string) => string | undefined = () => undefined;
  /** While true requests get no answer. */
  deaf = false;
  #dead = false;

  constructor(
    i: number,
    system: VirtualSystem,
    net: RoughNet,
    store: MemoryStore,
    bounds: Partial<PeerBounds> = {},
  ) {
    this.id = processId(i);
    this.bus = net.client();
    this.edges = new RemoteEdges({
      id: this.id,
      bus: this.bus,
      system,
      logger: SILENT,
      metrics: this.metrics,
      bounds,
    });
    const metrics: HostMetrics = {
      counts: { activations: 0, appendRows: 0, appendFailures: 0, overloaded: 0 },
      gauges: { actors: 0 },
      appendBatchRows: { observe: () => {} },
      appendSeconds: { observe: () => {} },
    };
    this.host = new ActorHost({
      ports: { ownership: store, messages: store, projections: store },
      edge: this.edges,
      system,
      logger: SILENT,
      metrics,
      isAwaited: (request) => this.edges.isAwaited(request),
      makeActor: (activation) => {
        const actor = new ConversationSequencer(activation);
        this.actors.set(actor.conv, actor);
        return actor;
      },
    });
    this.edges.useConversations(this);
  }

  submit(request: ConversationRequest): void {
    const other = this.otherOwnerOf(request.conv);
    if (other !== undefined) {
      this.edges.redirect(request, other);
      return;
    }
    this.taken.push(request);
    if (!this.deaf && !this.#dead) this.host.submit(request);
  }
  announce(user: string): void {
    this.host.announce(user);
  }
  depart(): void {}
  entryOf(conv: string, user: string): Entry | undefined {
    return this.host.entryOf(conv, user);
  }

  /** It ends here and now: what it had not said is not said. */
  die(): void {
    this.#dead = true;
    this.bus.inner.disconnect();
    void this.bus.close();
    this.host.stop();
    this.edges.stop();
  }
}
