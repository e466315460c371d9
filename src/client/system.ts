/** Time and chance as the client uses them: the one place of src/client that touches the real ones. */
export interface ClientSystem {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number;
  /** Runs `task` once, `ms` milliseconds from now. */
  after(ms: number, task: () => void): Cancel;
  /** At least 0, below 1. */
  random(): number;
  /** `count` bytes, fit for ids. */
  randomBytes(count: number): Uint8Array;
}

/** Prevents the task, if it did not run yet. */
export type Cancel = () => void;

export const realSystem: ClientSystem = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  randomBytes: (count) => globalThis.crypto.getRandomValues(new Uint8Array(count)),
};
