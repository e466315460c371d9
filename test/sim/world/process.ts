import { newPeerMetrics } from '../../../cluster/peer/peer-metrics.ts';
import { MemoryPresence } from '../../../src/adapters/memory/presence.ts';
import type { Logger } from '../../../src/core/ports.ts';
import { devAuthenticator } from '../../../src/edge/auth/dev.ts';
import { EdgeRole } from '../../../src/roles/edge-role.ts';
import { SequencerTerm } from '../../../src/roles/sequencer-term.ts';
import type { Surroundings } from '../../../src/roles/surroundings.ts';
import { NodeSystem } from '../node-system.ts';
import { AckWatch } from './ack-watch.ts';
import { type BusWatcher, ProcessBus } from './bus.ts';
import { probed } from './probe.ts';
import { Port } from './sockets.ts';
import type { World } from './world.ts';

/** Plain numbers that begin at 0, whatever their names. */
function numbers(): Record<string, number> {
  return new Proxy<Record<string, number>>({}, { get: (target, name: string) => target[name] ?? 0 });
}
const UNMEASURED = { observe: (): void => undefined };

/** One operating-system process: what it is given, and how it ends. */
abstract class Process {
  readonly name: string;
  readonly slot: string;
  readonly system: NodeSystem;
  readonly bus: ProcessBus;
  protected readonly world: World;

  constructor(world: World, slot: string, name: string, watcher?: BusWatcher) {
    this.world = world;
    this.slot = slot;
    this.name = name;
    this.system = new NodeSystem(world.system);
    this.bus = new ProcessBus(world.bus.client(), this.system, watcher);
  }

  /** kill -9. */
  kill(): void {
    this.system.kill();
    this.bus.cut();
    void this.bus.close();
  }

  protected get logger(): Logger {
    const say =
      (level: string) =>
      (fields: object, message: string): void =>
        this.world.trace(this.name, `${level}: ${message}${this.world.isTraced ? shown(fields) : ''}`);
    return { info: say('info'), warn: say('warn'), error: say('error') };
  }

  /** Of its surroundings a role uses these alone. */
  protected surroundings(): Surroundings {
    const counts = numbers();
    const metrics = {
      counts,
      gauges: numbers(),
      errors: numbers(),
      closes: numbers(),
      appendBatchRows: UNMEASURED,
      appendSeconds: UNMEASURED,
      peers: () => undefined,
    };
    const config = { sendsPerSecond: 1_000, sendBurst: 2_000 };
    const { system, logger } = this;
    return { config, system, logger, metrics } as unknown as Surroundings;
  }
}

export class SequencerProcess extends Process {
  readonly term: SequencerTerm;
  readonly counts = numbers();
  isOver = false;

  constructor(world: World, slot: string, name: string) {
    super(world, slot, name, new AckWatch((request, seq, ts) => world.ownerAcked(name, request, seq, ts)));
    this.term = new SequencerTerm(this.surroundings(), {
      store: probed(world.store.client(name, this.system), this.slot, world.probe),
      bus: this.bus,
      leaseTimeoutMs: world.plan.leaseTimeoutMs,
      peers: newPeerMetrics(),
      cluster: {
        counts: this.counts as never,
        gauges: numbers() as never,
        barrierSeconds: UNMEASURED,
        handoffSeconds: UNMEASURED,
      },
      addr: '',
      over: () => {
        this.isOver = true;
        world.trace(name, 'the term is over');
        world.termOver(this);
      },
    });
    this.term.start().catch((error: unknown) => {
      world.trace(name, `could not start: ${String(error)}`);
      world.termOver(this);
    });
  }

  /** SIGTERM. */
  leave(done: () => void): void {
    const leaving = async (): Promise<void> => {
      await this.term.drain(LEAVE_MS_MAX);
      await this.term.stop();
      done();
    };
    void leaving();
  }
}

const LEAVE_MS_MAX = 5_000;

export class EdgeProcess extends Process {
  readonly role: EdgeRole;
  readonly port: Port;

  constructor(world: World, slot: string, name: string) {
    super(world, slot, name);
    this.role = new EdgeRole(this.surroundings(), {
      files: { authenticator: devAuthenticator, files: new Map() },
      store: world.store.client(name, this.system),
      bus: this.bus,
      presence: new MemoryPresence(this.system),
      leaseTimeoutMs: world.plan.leaseTimeoutMs,
    });
    this.port = new Port(this.system, this.role.edge.handlers);
    this.role.edge.usePublisher(this.port);
    void this.role.start();
  }

  override kill(): void {
    super.kill();
    this.port.crash();
  }
}

function shown(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join('');
}
