import type { ConversationId } from '../../core/ids.ts';
import type { AppendRow } from '../../core/rows.ts';
import { readU64, TS_AT } from '../../protocol/message-frame.ts';
import { i64Cell, intCell, u64Cell, uuidCell } from './cells.ts';
import { type IdEntry, runCell, runsOf } from './dedup-runs.ts';
import type { PartitionBatches } from './partition-batches.ts';
import type { Statement } from './statements.ts';

/** 30 days (LIMITS.dedupWindowMs). A real timestamp: the rows expire in time windows. */
const WRITE_DEDUP: Statement = {
  name: 'writeDedup',
  kind: 'write',
  cql: `INSERT INTO {ks}.dedup_runs (conv, user, device, slot, seq, n, hits) VALUES (?, ?, ?, ?, ?, ?, ?)
    USING TTL 2592000`,
};
/** Of what surrounds a run's ids. */
const RUN_BYTES = 200;

interface Device {
  readonly user: string;
  readonly device: string;
  readonly entries: IdEntry[];
}

/** The ids of rows of one conversation, in the order of their seqs. */
export function dedupWrites(
  conv: ConversationId,
  rows: readonly AppendRow[],
  batches: PartitionBatches,
): void {
  const convCell = uuidCell(conv);
  for (const [partition, { user, device, entries }] of byDevice(rows)) {
    for (const run of runsOf(entries)) {
      const [first] = run.entries as [IdEntry];
      const hits = runCell(run);
      const runKey = [i64Cell(run.slot), u64Cell(first.seq), intCell(run.entries.length)];
      const params = [convCell, user, device, ...runKey, hits];
      batches.addOne(partition, { statement: WRITE_DEDUP, params }, RUN_BYTES + hits.length);
    }
  }
}

function byDevice(rows: readonly AppendRow[]): ReadonlyMap<string, Device> {
  const devices = new Map<string, Device>();
  for (const { user, device, cmid, seq, env, hash } of rows) {
    if (cmid === '') continue;
    const key = `${user} ${device}`;
    let found = devices.get(key);
    if (found === undefined) devices.set(key, (found = { user, device, entries: [] }));
    found.entries.push({ cmid, seq, ts: readU64(env, TS_AT), hash });
  }
  return devices;
}
