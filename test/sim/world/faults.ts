import type { Fault } from './plan.ts';
import type { World } from './world.ts';

/** Brings faults about, and takes them back. */
export class Faults {
  readonly #world: World;
  readonly #cut = new Map<string, number>();
  /** What ends a fault that is under way. */
  readonly #ends = new Set<() => void>();

  constructor(world: World) {
    this.#world = world;
  }

  isCutFromStore(slot: string): boolean {
    return this.#cut.has(slot);
  }

  /** Ends all that is under way: the calm. */
  endAll(): void {
    this.#world.probe.clear();
    while (this.#ends.size > 0) for (const end of [...this.#ends]) end(); // one may begin another
  }

  begin(fault: Fault): void {
    const world = this.#world;
    const what = describe(fault);
    const end = this.#begin(fault);
    if (end === undefined) return;
    world.trace('world', `fault: ${what}`);
    world.tally.faults[fault.t] = (world.tally.faults[fault.t] ?? 0) + 1;
    if (end === 'done') return;
    const once = (): void => {
      if (!this.#ends.delete(once)) return;
      timer.cancel();
      world.trace('world', `over: ${what}`);
      end();
    };
    const timer = world.system.after('ms' in fault ? fault.ms : 0, once);
    this.#ends.add(once);
  }

  /** undefined: it found nothing to befall; `done`: there is nothing to take back. */
  #begin(fault: Fault): (() => void) | 'done' | undefined {
    const world = this.#world;
    switch (fault.t) {
      case 'crash':
      case 'pause':
      case 'freeze':
      case 'jump':
      case 'leave':
      case 'drain':
      case 'join':
        return this.#onProcess(fault);
      case 'storeSlow':
      case 'replicaDown':
      case 'storeTimeouts':
      case 'storeLoss':
      case 'storeCut':
      case 'storeAway':
        return this.#onStore(fault);
      case 'busRough':
      case 'partition':
      case 'busCut':
      case 'busAway':
        return this.#onBus(fault);
      case 'deviceOffline':
      case 'deviceDeaf':
      case 'appRestart':
        return this.#onDevice(fault);
      case 'lastLost':
        world.bus.cut = (subject) => subject.endsWith(world.edges.get(fault.slot)?.role.id ?? '?');
        return () => void (world.bus.cut = () => false);
      case 'ambush':
        world.probe.lay(fault);
        return 'done';
    }
  }

  #onProcess(
    fault: Fault & { t: 'crash' | 'pause' | 'freeze' | 'jump' | 'leave' | 'drain' | 'join' },
  ): (() => void) | 'done' | undefined {
    const world = this.#world;
    const { slot } = fault;
    if (fault.t === 'join') {
      if (world.sequencers.has(slot)) return undefined;
      world.start(slot);
      return 'done';
    }
    const sequencer = world.sequencers.get(slot);
    const process = sequencer ?? world.edges.get(slot);
    if (process === undefined) return undefined;
    switch (fault.t) {
      case 'crash':
        world.tally.crashes++;
        world.kill(slot);
        return () => world.start(slot);
      case 'pause':
      case 'freeze':
        if (process.system.isPaused) return undefined;
        if (fault.t === 'pause') process.system.pause();
        else process.system.freeze();
        return () => process.system.wake();
      case 'jump':
        process.system.jump(fault.byMs);
        return 'done';
      case 'leave':
        if (sequencer === undefined || world.sequencers.size < 2) return undefined;
        sequencer.leave(() => {
          if (world.sequencers.get(slot) === sequencer) world.kill(slot);
        });
        return () => {
          if (world.sequencers.get(slot) === sequencer) world.kill(slot); // out of patience
          world.start(slot);
        };
      case 'drain':
        if (sequencer === undefined) return undefined;
        sequencer.term.setDraining(true);
        return () => {
          if (world.sequencers.get(slot) === sequencer)
            sequencer.system.soon(() => sequencer.term.setDraining(false));
        };
    }
  }

  #onStore(
    fault: Fault & {
      t: 'storeSlow' | 'replicaDown' | 'storeTimeouts' | 'storeLoss' | 'storeCut' | 'storeAway';
    },
  ): () => void {
    const world = this.#world;
    const { weather } = world.store;
    switch (fault.t) {
      case 'storeSlow':
        Object.assign(weather, { slowShare: fault.share, slowMs: fault.slowMs });
        return () => void Object.assign(weather, { slowShare: 0, slowMs: 0 });
      case 'replicaDown':
        weather.replicasDown.add(fault.replica);
        return () => void weather.replicasDown.delete(fault.replica);
      case 'storeTimeouts':
        Object.assign(weather, { timeoutShare: fault.share, lwtUnknownShare: fault.lwtShare });
        return () => void Object.assign(weather, { timeoutShare: 0, lwtUnknownShare: 0 });
      case 'storeLoss':
        weather.lossPerReplica = fault.share;
        return () => void (weather.lossPerReplica = world.plan.storeLoss);
      case 'storeCut': {
        this.#cut.set(fault.slot, (this.#cut.get(fault.slot) ?? 0) + 1);
        return () => {
          const left = (this.#cut.get(fault.slot) ?? 1) - 1;
          if (left > 0) this.#cut.set(fault.slot, left);
          else this.#cut.delete(fault.slot);
        };
      }
      case 'storeAway':
        for (const replica of [0, 1, 2] as const) weather.replicasDown.add(replica);
        return () => weather.replicasDown.clear();
    }
  }

  #onBus(fault: Fault & { t: 'busRough' | 'partition' | 'busCut' | 'busAway' }): (() => void) | undefined {
    const world = this.#world;
    if (fault.t === 'busRough') {
      const { loss, twice, late, lateMsMax } = fault;
      world.bus.weather = { loss, twice, late, lateMsMax };
      return () => world.quietBus();
    }
    if (fault.t === 'busAway') {
      if (!world.bus.hub.running) return undefined;
      world.bus.hub.stop();
      return () => world.bus.hub.start();
    }
    const process = world.sequencers.get(fault.slot) ?? world.edges.get(fault.slot);
    if (process === undefined) return undefined;
    if (fault.t === 'partition') {
      process.bus.isPartitioned = true;
      return () => void (process.bus.isPartitioned = false);
    }
    process.bus.cut();
    return () => process.bus.mend();
  }

  #onDevice(
    fault: Fault & { t: 'deviceOffline' | 'deviceDeaf' | 'appRestart' },
  ): (() => void) | 'done' | undefined {
    const device = this.#world.devices.get(fault.device);
    if (device === undefined) return undefined;
    if (fault.t === 'appRestart') {
      device.restart();
      return 'done';
    }
    const { uplink } = device;
    if (fault.t === 'deviceDeaf') {
      uplink.state = 'deaf';
      const { offlineMs, device: name } = fault;
      return () => this.begin({ t: 'deviceOffline', ms: offlineMs, device: name, silent: false });
    }
    uplink.state = fault.silent ? 'silent' : 'down';
    if (!fault.silent) for (const pipe of [...uplink.pipes]) pipe.breakOff();
    return () => {
      uplink.state = 'up';
      // What a silent way swallowed is missing on it: the connection does not outlive that.
      for (const pipe of [...uplink.pipes]) pipe.breakOff();
      device.client.connect();
    };
  }
}

export function describe({ t, ...fields }: Fault): string {
  return `${t} ${JSON.stringify(fields)}`;
}
