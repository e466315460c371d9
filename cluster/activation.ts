import type { Activation } from '../src/core/actor.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { Claim, MessageStore, Ownership, ProjectionStore } from '../src/core/ports.ts';
import { reflectedTo, type StoredRow } from '../src/core/rows.ts';
import { TAIL_ROWS_MAX } from './log-walk.ts';
import { readRows } from './row-reads.ts';

const READ_BYTES_MAX = 4 * 1024 * 1024;

export interface ActivationPorts {
  readonly ownership: Ownership;
  readonly messages: MessageStore;
  readonly projections: ProjectionStore;
}

export type Activated =
  | (Claim & { t: 'notOwner' | 'unavailable' })
  | { readonly t: 'activation'; readonly activation: Activation; readonly recovered: boolean };

/** Claims a conversation and reads all that its actor starts from. Rejects with StoreUnavailable. */
export async function activate(conv: ConversationId, ports: ActivationPorts): Promise<Activated> {
  const claim = await ports.ownership.claim(conv);
  if (claim.t === 'unavailable' || claim.t === 'notOwner') return claim;
  const { fence } = claim;
  const recovered = claim.t === 'owned' && claim.recovered;
  const warm = claim.t === 'owned' ? claim.warm : undefined;
  if (warm !== undefined) {
    const { conversation, members, head, tail } = warm;
    const activation = { conv, fence, conversation, members, head, tail, unprojected: [], warm };
    return { t: 'activation', activation, recovered };
  }
  // Never before the claim, nor before the log: what a row of it rests on was written before it, maybe late.
  const conversation = claim.t === 'none' ? undefined : await ports.projections.conversation(conv);
  if (conversation === undefined) {
    return {
      t: 'activation',
      activation: { conv, fence, conversation, members: [], head: 0, tail: [], unprojected: [] },
      recovered,
    };
  }
  // Behind the row that says up to where they are written: a late write of both might fall between.
  const members = await ports.projections.members(conv);
  const head = await ports.messages.head(conv);
  const read = claim.t === 'owned' ? claim.tail : undefined;
  const tail = read ?? (await readRows(ports.messages, conv, Math.max(1, head - TAIL_ROWS_MAX + 1), head));
  const m = tail.at(-1)?.m ?? 0;
  const reflected = reflectedTo(conversation);
  const unprojected = m > reflected ? await changingRows(ports.messages, conv, reflected, m, tail) : [];
  const activation = { conv, fence, conversation, members, head, tail, unprojected };
  return { t: 'activation', activation, recovered };
}

/** The rows above `reflected` that change member rows: those whose `m` is their own seq. */
async function changingRows(
  messages: MessageStore,
  conv: ConversationId,
  reflected: Seq,
  m: Seq,
  tail: readonly StoredRow[],
): Promise<StoredRow[]> {
  const tailFrom = tail[0]?.seq ?? m + 1;
  const changes: StoredRow[] = [];
  for (let seq = reflected + 1; seq < tailFrom; ) {
    const rows = await messages.read(conv, seq, tailFrom - 1, false, {
      rowsMax: TAIL_ROWS_MAX,
      bytesMax: READ_BYTES_MAX,
    });
    changes.push(...rows.filter((row) => row.m === row.seq));
    seq += rows.length;
  }
  changes.push(...tail.filter((row) => row.m === row.seq && row.seq > reflected));
  return changes;
}
