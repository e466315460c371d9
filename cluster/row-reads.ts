import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { MessageStore, ReadLimits } from '../src/core/ports.ts';
import type { StoredRow } from '../src/core/rows.ts';

const PER_READ: ReadLimits = { rowsMax: 1_024, bytesMax: 4 * 1024 * 1024 };

/** All rows of from … to, committed ones, however many bytes they are. */
export async function readRows(
  messages: MessageStore,
  conv: ConversationId,
  from: Seq,
  to: Seq,
): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  while (from + rows.length <= to)
    rows.push(...(await messages.read(conv, from + rows.length, to, false, PER_READ)));
  return rows;
}
