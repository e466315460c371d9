import { realSystem } from '../../client/system.ts';
import type { RingNode } from '../../core/ring-control.ts';
import { note, progress } from '../output.ts';
import { AdminAway, type RingAdmin } from './ring-admin.ts';
import { shortName } from './ring-node.ts';
import { age, count } from './ring-tables.ts';

/** Asks a node to drain or to come back, and waits until the ring shows that it did. */

const LOOK_MS = 1_000;
/** Where no line can be written over. */
const LINE_MS = 10_000;
const BAR_WIDTH = 24;

export interface Wish {
  readonly action: 'drain' | 'undrain';
  /** As it was seen before. */
  readonly node: RingNode;
  readonly timeoutMs: number;
}

/**
 * interrupted: by Ctrl-C. ended: the node is dead, or no longer listed. undone: it was draining and is live
 * again, so someone else wants it otherwise.
 */
export type Ending = 'done' | 'timedOut' | 'interrupted' | 'ended' | 'undone';

export interface Waited {
  readonly ending: Ending;
  readonly elapsedMs: number;
  /** As it was last seen alive. */
  readonly last: RingNode;
}

/** Rejects with AdminRefused. A node that does not answer for a while is asked again. */
export async function fulfil(admin: RingAdmin, wish: Wish): Promise<Waited> {
  const stop = new AbortController();
  let ending: Ending = 'timedOut';
  const interrupt = (): void => {
    ending = 'interrupted';
    stop.abort();
  };
  const cancel = realSystem.after(wish.timeoutMs, () => stop.abort());
  process.once('SIGINT', interrupt);
  const watch = new Watch(wish);
  try {
    while (!stop.signal.aborted) {
      const seen = await look(admin, watch, stop.signal);
      if (seen !== undefined) return watch.over(seen);
      await pause(stop.signal);
    }
    return watch.over(ending);
  } finally {
    cancel();
    process.off('SIGINT', interrupt);
    progress('');
  }
}

async function look(admin: RingAdmin, watch: Watch, signal: AbortSignal): Promise<Ending | undefined> {
  const { action } = watch.wish;
  const { node } = watch.wish.node;
  try {
    // The wish travels over a bus that may lose it, so it is repeated until it shows.
    if (!watch.isTaken) await admin.change(action, node, signal);
    const { nodes } = await admin.status(signal);
    return watch.see(nodes.find((one) => one.node === node));
  } catch (error) {
    if (!(error instanceof AdminAway)) throw error;
    if (!signal.aborted) watch.tell(error.message);
    return undefined;
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = realSystem.after(LOOK_MS, done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

/** What was seen of the node so far, and tells of it. */
class Watch {
  readonly wish: Wish;
  /** Whether the ring shows what was asked for. */
  isTaken = false;
  readonly #startedAt = realSystem.monotonic();
  #toldAt = Number.NEGATIVE_INFINITY;
  #last: RingNode;
  #ownedMost: number;

  constructor(wish: Wish) {
    this.wish = wish;
    this.#last = wish.node;
    this.#ownedMost = wish.node.owned;
  }

  /** undefined: not over yet. */
  see(node: RingNode | undefined): Ending | undefined {
    if (node === undefined || node.state === 'dead') return 'ended';
    this.#last = node;
    this.#ownedMost = Math.max(this.#ownedMost, node.owned);
    if (node.state === 'silent') {
      this.tell(`silent for ${age(node.beatAgeMs)}`);
      return undefined;
    }
    if (this.wish.action === 'undrain') {
      if (node.state === 'live') return 'done';
      this.tell('asked to come back');
      return undefined;
    }
    if (node.state === 'live') {
      if (this.isTaken) return 'undone';
      this.tell('asked to drain');
      return undefined;
    }
    this.isTaken = true;
    if (node.owned === 0 && node.moving === 0) return 'done';
    this.tell(barText(node, this.#ownedMost));
    return undefined;
  }

  tell(text: string): void {
    const elapsedMs = this.#elapsedMs();
    const line = `${shortName(this.wish.node.node)} ${text}, ${age(elapsedMs)}`;
    progress(line);
    if (process.stderr.isTTY || elapsedMs - this.#toldAt < LINE_MS) return;
    this.#toldAt = elapsedMs;
    note(line);
  }

  over(ending: Ending): Waited {
    return { ending, elapsedMs: Math.round(this.#elapsedMs()), last: this.#last };
  }

  #elapsedMs(): number {
    return realSystem.monotonic() - this.#startedAt;
  }
}

/** `[#####-----] 5,000 of 10,000 conversations left, 64 moving` */
export function barText({ owned, moving }: Pick<RingNode, 'owned' | 'moving'>, ownedMost: number): string {
  const share = ownedMost > 0 ? 1 - owned / ownedMost : 1;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = '#'.repeat(filled) + '-'.repeat(BAR_WIDTH - filled);
  return `[${bar}] ${count(owned)} of ${count(ownedMost)} conversations left, ${count(moving)} moving`;
}
