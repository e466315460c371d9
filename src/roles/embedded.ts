import { ConversationSequencer } from '../../actors/conversation-sequencer.ts';
import { ActorHost } from '../../cluster/actor-host.ts';
import { clearDirtyMarks } from '../../cluster/dirty-clearing.ts';
import { HereOnline, Router } from '../../cluster/router.ts';
import { UserHub } from '../../cluster/users/user-hub.ts';
import { type LmdbStore, openLmdbStore } from '../adapters/lmdb/store.ts';
import { MemoryPresence } from '../adapters/memory/presence.ts';
import { uuidV7 } from '../core/ids.ts';
import { pause } from '../core/patience.ts';
import type { Logger, System, Timer } from '../core/ports.ts';
import type { Edge } from '../edge/edge.ts';
import type { Component } from '../lifecycle.ts';
import { AdminPort, MainPort } from './sockets.ts';
import { type EdgeFiles, httpOptions, openEdge, type Roles, type Surroundings } from './surroundings.ts';

const QUIET_LOOK_MS = 10;

/** Everything in one process: the store is LMDB, the owner of all conversations is here, and so is the edge. */
export async function embedded(surroundings: Surroundings, files: EdgeFiles): Promise<Roles> {
  const { config, system, logger, metrics } = surroundings;
  const store = await openStore(config.dataDir, system, logger);
  const presence = new MemoryPresence(system);
  const id = uuidV7(system.now(), system.random(10));
  const { messages, projections } = store;
  const edge = openEdge(id, surroundings, files, { messages, projections, presence });
  const host = new ActorHost({
    ports: store,
    edge,
    system,
    logger,
    metrics,
    makeActor: (activation) => new ConversationSequencer(activation),
  });
  const online = new HereOnline();
  const users = new UserHub({
    store: projections,
    edge,
    system,
    logger,
    metrics,
    online,
    isHome: () => true,
  });
  const router = new Router(host, edge, users, online);
  edge.useOwners(router);
  const http = httpOptions(surroundings, files.files, () => id, presence);
  const main = new MainPort(config, edge, logger, http);
  const admin = new AdminPort(config, logger, http);
  const owner = new EmbeddedOwner(host, router, users, store, system, logger);
  return {
    components: [storeComponent(store), owner, edgeComponent(edge), admin, main],
    url: () => main.url,
  };
}

function openStore(dataDir: string, system: System, logger: Logger): Promise<LmdbStore> {
  return openLmdbStore(dataDir, system, logger, {
    onFailure: (err) => {
      logger.error(
        { err },
        'the store is out of service: the process ends, and a start recovers what is acked',
      );
      system.after(0, () => process.exit(1));
    },
  });
}

function storeComponent(store: LmdbStore): Component {
  return {
    name: 'store',
    stop: () => store.close(),
    unready: () => {
      const { inService, full } = store.stats();
      if (!inService) return 'out of service';
      return full ? 'the disk is full' : undefined;
    },
  };
}

function edgeComponent(edge: Edge): Component {
  return { name: 'edge', drain: (msLeft) => edge.drain(msLeft / 2), stop: () => edge.stop() };
}

/** The owner of all conversations, who begins where a crash left it. */
class EmbeddedOwner implements Component {
  readonly name = 'sequencer';
  readonly #host: ActorHost;
  readonly #router: Router;
  readonly #users: UserHub;
  readonly #store: LmdbStore;
  readonly #system: System;
  readonly #logger: Logger;
  #clearing: Timer | undefined;

  constructor(
    host: ActorHost,
    router: Router,
    users: UserHub,
    store: LmdbStore,
    system: System,
    logger: Logger,
  ) {
    this.#host = host;
    this.#router = router;
    this.#users = users;
    this.#store = store;
    this.#system = system;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#host.dirtyWalk.start(await this.#store.dirty.dirty());
    this.#clearing = clearDirtyMarks(this.#host, this.#store.dirty, this.#system, this.#logger);
  }

  async drain(): Promise<void> {
    this.#router.stopIntake();
    while (!this.#host.quiet) await pause(this.#system, QUIET_LOOK_MS);
    await this.#host.projector.flush();
    await this.#users.flush();
    await this.#store.dirty.clearDirty(Number.MAX_SAFE_INTEGER); // all of it is written
  }

  stop(): void {
    this.#clearing?.cancel();
    this.#users.stop();
    this.#host.stop();
  }
}
