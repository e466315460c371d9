import type { FinalRow, History } from '../world/history.ts';

/** Finds a row of the final logs. */
export function rowFinder({ logs }: History): (conv: string, seq: number) => FinalRow | undefined {
  const bySeq = new Map<string, Map<number, FinalRow>>();
  for (const { conv, rows } of logs.values()) bySeq.set(conv, new Map(rows.map((row) => [row.seq, row])));
  return (conv, seq) => bySeq.get(conv)?.get(seq);
}

/** By conversation, the highest seq that anybody was told is committed, up to a time. */
export function knownHeads(
  { ownerAcks, deviceAcks, told, reads }: History,
  until = Number.POSITIVE_INFINITY,
): Map<string, number> {
  const heads = new Map<string, number>();
  const note = (conv: string, seq: number, at: number): void => {
    if (at <= until && seq > (heads.get(conv) ?? 0)) heads.set(conv, seq);
  };
  for (const events of [ownerAcks, deviceAcks, told])
    for (const { conv, seq, at } of events) note(conv, seq, at);
  for (const { conv, head, at } of reads) note(conv, head, at);
  return heads;
}

/** Values under keys, in order. */
export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

export function inShort(text: string): string {
  const trimmed = text.replace(/\.+$/, '');
  return `"${trimmed.length > 40 ? `${trimmed.slice(0, 40)}…` : trimmed}"`;
}
