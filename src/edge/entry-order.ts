import type { Entry } from '../core/entry.ts';

/**
 * Where an entry stands among the entries of one user and conversation: owners that follow one another, and the
 * inbox behind them, may show an older one after a newer. A membership that ended at `removed` is newer than all
 * entries with heads below it, and older than one that has a head from there on: the user came back.
 */
export function standing({ head, removed }: Entry): number {
  return removed === undefined ? 2 * head + 1 : 2 * removed;
}
