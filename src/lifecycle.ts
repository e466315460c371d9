import type { Logger, System, Timer } from './core/ports.ts';

/** A part of the server. All hooks are optional; `start`s run in the order given, the others in reverse. */
export interface Component {
  readonly name: string;
  start?(): void | Promise<void>;
  /** Takes nothing new, and settles what is under way within `msLeft`. */
  drain?(msLeft: number): void | Promise<void>;
  /** Lets go of everything. */
  stop?(): void | Promise<void>;
  /** Why it can't serve now, though it runs; undefined: it can. */
  unready?(): string | undefined;
}

export interface LifecycleOptions {
  /** Drains and stops together; after it the process ends whatever is left. */
  readonly drainMsMax: number;
  readonly exit: (code: number) => void;
}

type Phase = 'new' | 'starting' | 'running' | 'draining' | 'stopped';

/** What of the time is kept back from the drains for the stops. */
const STOP_SHARE = 0.2;
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Start order, readiness, and the way down. */
export class Lifecycle {
  private readonly system: System;
  private readonly logger: Logger;
  private readonly options: LifecycleOptions;
  private readonly components: readonly Component[];
  private readonly started: Component[] = [];
  private phase: Phase = 'new';
  private ending: Promise<number> | undefined = undefined;

  constructor(
    system: System,
    logger: Logger,
    components: readonly Component[],
    options: LifecycleOptions = { drainMsMax: 10_000, exit: (code) => process.exit(code) },
  ) {
    this.system = system;
    this.logger = logger;
    this.components = components;
    this.options = options;
  }

  /** For /readyz. */
  readiness(): { ready: boolean; reasons: string[] } {
    const reasons: string[] = [];
    if (this.phase !== 'running') reasons.push(`the server is ${this.phase}`);
    for (const component of this.started) {
      const reason = component.unready?.();
      if (reason !== undefined) reasons.push(`${component.name}: ${reason}`);
    }
    return { ready: reasons.length === 0, reasons };
  }

  /** Starts all; if one fails, those that run are stopped again, and the error is thrown. */
  async start(): Promise<void> {
    this.phase = 'starting';
    for (const component of this.components) {
      if (this.ending !== undefined) return;
      try {
        await component.start?.();
      } catch (error) {
        await this.stopAll();
        throw error;
      }
      this.started.push(component);
      // The signal came meanwhile, and the way down passed this one by.
      if ((this.phase as Phase) === 'stopped') await this.stopAll();
    }
    if (this.ending === undefined) this.phase = 'running';
  }

  /**
   * SIGTERM or SIGINT drains, stops and exits: 0 if all went well, 1 if a component failed or would not
   * stop in time. A second signal exits at once (130, 143).
   */
  exitOnSignals(): void {
    for (const [signal, number] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (this.ending !== undefined) {
          this.options.exit(128 + number);
          return;
        }
        this.logger.info({ signal }, 'leaving: another signal ends the process at once');
        void this.shutDown().then((code) => this.options.exit(code));
      });
    }
  }

  /** Drains and stops, once; resolves to the exit code. Never rejects. */
  shutDown(): Promise<number> {
    this.ending ??= this.wayDown();
    return this.ending;
  }

  private async wayDown(): Promise<number> {
    this.phase = 'draining';
    const { drainMsMax } = this.options;
    const deadline = this.system.monotonic() + drainMsMax;
    let code = 0;
    for (const component of [...this.started].reverse()) {
      const msLeft = Math.max(0, deadline - this.system.monotonic() - drainMsMax * STOP_SHARE);
      const outcome = await this.within(msLeft, () => component.drain?.(msLeft));
      if (outcome.t === 'failed') {
        code = 1;
        this.logger.error({ err: outcome.error, component: component.name }, 'a drain failed');
      } else if (outcome.t === 'late') {
        this.logger.warn({ component: component.name, msLeft }, 'not drained in time: going on');
      }
    }
    const stopped = await this.within(Math.max(0, deadline - this.system.monotonic()), () => this.stopAll());
    if (stopped.t === 'late')
      this.logger.error({ running: this.started.map(({ name }) => name) }, 'not stopped in time');
    return stopped.t === 'done' && stopped.value ? code : 1;
  }

  /** Whether all stopped without an error. */
  private async stopAll(): Promise<boolean> {
    let clean = true;
    for (let component = this.started.at(-1); component !== undefined; component = this.started.at(-1)) {
      try {
        await component.stop?.();
      } catch (error) {
        clean = false;
        this.logger.error({ err: error, component: component.name }, 'a stop failed');
      }
      this.started.pop();
    }
    this.phase = 'stopped';
    return clean;
  }

  private async within<V>(
    ms: number,
    task: () => V | Promise<V>,
  ): Promise<{ t: 'done'; value: V } | { t: 'late' } | { t: 'failed'; error: unknown }> {
    let timer: Timer | undefined;
    const late = new Promise<{ t: 'late' }>((resolve) => {
      timer = this.system.after(ms, () => resolve({ t: 'late' }));
    });
    const done = Promise.resolve()
      .then(task)
      .then(
        (value) => ({ t: 'done', value }) as const,
        (error: unknown) => ({ t: 'failed', error }) as const,
      );
    const outcome = await Promise.race([done, late]);
    timer?.cancel();
    return outcome;
  }
}
