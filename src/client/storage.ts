import { isName } from '../core/ids.ts';
import type { ClientSystem } from './system.ts';

/** Where the client keeps the little that should outlive it: the device's id and its last attempt. */
export interface ClientStorage {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
}

/** Forgets with the process. */
export function memoryStorage(): ClientStorage {
  const values = new Map<string, string>();
  return { get: (key) => values.get(key), set: (key, value) => void values.set(key, value) };
}

/** sessionStorage or localStorage, under keys that start with `prefix`. */
export function webStorage(storage: Storage, prefix = 'carillon.'): ClientStorage {
  return {
    get: (key) => storage.getItem(prefix + key) ?? undefined,
    set: (key, value) => storage.setItem(prefix + key, value),
  };
}

/** The device's id: the one stored, else a fresh one, which is stored. */
export function deviceId(storage: ClientStorage, system: ClientSystem): string {
  const stored = storage.get('device');
  if (stored !== undefined && isName(stored)) return stored;
  let fresh = 'd-';
  for (const byte of system.randomBytes(8)) fresh += byte.toString(16).padStart(2, '0');
  storage.set('device', fresh);
  return fresh;
}

/** The number of the next connection of `device`: above all before it, and above those of a forgetful past. */
export function nextAttempt(storage: ClientStorage, device: string, now: number): number {
  const key = `attempt.${device}`;
  const last = Number(storage.get(key) ?? 0);
  const next = Math.max((Number.isSafeInteger(last) ? last : 0) + 1, Math.floor(now));
  storage.set(key, String(next));
  return next;
}
