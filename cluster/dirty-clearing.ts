import type { DirtyStore, Logger, System, Timer } from '../src/core/ports.ts';
import type { ActorHost } from './actor-host.ts';

const CLEAR_MS = 60_000;

/** Has the store forget, now and then, the dirty marks of what is told and written: for a store with one owner for all. */
export function clearDirtyMarks(
  host: Pick<ActorHost, 'oldestDirtySlot'>,
  store: DirtyStore,
  system: System,
  logger: Logger,
): Timer {
  return system.every(CLEAR_MS, () => {
    const slot = host.oldestDirtySlot;
    if (slot === undefined) return;
    store.clearDirty(slot).catch((err: unknown) => logger.warn({ err }, 'dirty marks were not cleared'));
  });
}
