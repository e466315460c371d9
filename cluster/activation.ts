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
  switch (claim.t) {
    case 'unavailable':
    case 'notOwner':
      return claim;
    case 'none':
      return activated(noConversation(conv, claim.fence), false);
    case 'owned': {
      const start = startOf(conv, claim, ports);
      await Promise.allSettled([start, claim.ready]); // if one fails, the next try is not to meet the other
      await claim.ready;
      return activated(await start, claim.recovered);
    }
  }
}

function activated(activation: Activation, recovered: boolean): Activated {
  return { t: 'activation', activation, recovered };
}

function noConversation(conv: ConversationId, fence: number): Activation {
  return { conv, fence, conversation: undefined, members: [], head: 0, tail: [], unprojected: [] };
}

async function startOf(
  conv: ConversationId,
  { fence, warm, tail: read, ready }: Claim & { t: 'owned' },
  { messages, projections }: ActivationPorts,
): Promise<Activation> {
  if (warm !== undefined) {
    const { conversation, members, head, tail } = warm;
    return { conv, fence, conversation, members, head, tail, unprojected: [], warm };
  }
  // Never before the claim, nor before the log: what a row of it rests on was written before it, maybe late.
  const conversation = await projections.conversation(conv);
  if (conversation === undefined) return noConversation(conv, fence);
  // Behind the row that says up to where they are written: a late write of both might fall between.
  const members = await projections.members(conv);
  await ready;
  const head = await messages.head(conv);
  const tail = read ?? (await readRows(messages, conv, Math.max(1, head - TAIL_ROWS_MAX + 1), head));
  const m = tail.at(-1)?.m ?? 0;
  const reflected = reflectedTo(conversation);
  const unprojected = m > reflected ? await changingRows(messages, conv, reflected, m, tail) : [];
  return { conv, fence, conversation, members, head, tail, unprojected };
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
