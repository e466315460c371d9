import { existsSync } from 'node:fs';
import { realSystem } from '../system.ts';
import type { ConversationId, Seq } from '../../core/ids.ts';
import { DedupCheck, IndexCheck } from './check-tables.ts';
import { checkProjections } from './check-projections.ts';
import { ConversationCheck } from './check-conversation.ts';
import { Environment, META, StoreDamaged, storePath } from './environment.ts';
import { lockDirectory } from './lock.ts';
import { lastChunk, walkLog } from './log-reader.ts';
import { Overlay } from './overlay.ts';
import { ChunkReader, ENTRY, FORMAT } from './record-codec.ts';
import { TABLE } from './small-tables.ts';

export interface Damage {
  /** '' for what belongs to no conversation. */
  readonly conv: ConversationId;
  readonly seq?: Seq;
  readonly what: string;
}

export interface CheckReport {
  readonly conversations: number;
  /** Events in the log. */
  readonly rows: number;
  /** In the order found; the first 1,000 alone. */
  readonly damages: readonly Damage[];
  /** How many there are in all. */
  readonly damageCount: number;
}

const DAMAGES_MAX = 1_000;
const PROGRESS_ENTRIES = 32_768;

/** Gathers what is found. */
export class Findings {
  readonly damages: Damage[] = [];
  count = 0;

  add(conv: ConversationId, seq: Seq | undefined, what: string): void {
    this.count++;
    if (this.damages.length < DAMAGES_MAX) this.damages.push({ conv, seq, what });
  }
}

/**
 * Walks the store in `dir`, which no server may hold (else StoreLocked), and compares everything derived with
 * the log. Changes nothing. `onProgress` gets a line for people now and then. Throws where there is no store.
 */
export async function checkStore(dir: string, onProgress: (line: string) => void): Promise<CheckReport> {
  if (!existsSync(storePath(dir))) throw new Error(`there is no store in ${dir}`);
  const lock = await lockDirectory(dir);
  const findings = new Findings();
  let env: Environment | undefined;
  try {
    env = new Environment(dir, (problem) => findings.add('', undefined, problem));
    return walk(env, findings, onProgress);
  } catch (error) {
    if (!(error instanceof StoreDamaged || isOfLmdb(error))) throw error;
    findings.add('', undefined, (error as Error).message);
    return report(0, 0, findings);
  } finally {
    await env?.close();
    await lock.release();
  }
}

function walk(env: Environment, findings: Findings, onProgress: (line: string) => void): CheckReport {
  const format = env.meta(META.format);
  if (format !== FORMAT)
    throw new StoreDamaged(`the store has format ${format}; this program knows ${FORMAT}`);
  const indexed = env.meta(META.indexed);
  const end = lastChunk(env);
  if (indexed > end)
    findings.add('', undefined, `the tables reflect chunk ${indexed} of a log that ends at ${end}`);
  const states = new Map<ConversationId, ConversationCheck>();
  const overlay = new Overlay(env, CLOCKLESS, Number.POSITIVE_INFINITY);
  const index = new IndexCheck(env, overlay.index, findings);
  const dedup = new DedupCheck(env, findings, realSystem().now());
  const tailUsers = new Set<string>();
  let rows = 0;
  let entries = 0;
  walkLog(env, 1, {
    entry(reader, chunk) {
      if (++entries % PROGRESS_ENTRIES === 0) onProgress(`chunk ${chunk} of ${end}, ${rows} events`);
      if (chunk > indexed) replayAside(overlay, reader, chunk, tailUsers);
      if (reader.type !== ENTRY.batch) return;
      const { conv } = reader;
      let state = states.get(conv);
      if (state === undefined) states.set(conv, (state = new ConversationCheck(conv, findings)));
      if (reader.rows > 0) index.batch(conv, reader, chunk, chunk <= indexed);
      state.batch(reader);
      while (reader.nextRow()) {
        rows++;
        state.row(reader);
        if (chunk <= indexed) dedup.row(conv, reader);
      }
    },
    damaged(_chunk, what) {
      findings.add('', undefined, what);
    },
  });
  onProgress(`${rows} events; now the tables`);
  index.finish(states);
  dedup.finish(states);
  const closed = env.meta(META.closed) === env.meta(META.boot);
  checkProjections(env, overlay, states, tailUsers, closed, findings);
  return report(states.size, rows, findings);
}

/** What the tables lack yet goes to the overlay, as at a start; by a reader of its own. */
function replayAside(overlay: Overlay, reader: ChunkReader, chunk: number, users: Set<string>): void {
  const again = new ChunkReader(reader.chunk, reader.chunk.length, reader.position);
  again.nextEntry();
  overlay.replayed(again, chunk);
  const puts = new ChunkReader(reader.chunk, reader.chunk.length, reader.position);
  puts.nextEntry();
  while (puts.nextRow());
  while (puts.nextPut()) {
    if (puts.table === TABLE.inbox) users.add(latin1Until(puts.chunk, puts.keyAt, puts.keyBytes - 17));
  }
}

function latin1Until(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');
}

const CLOCKLESS = { monotonic: () => 0, random: (count: number) => new Uint8Array(count) };

function report(conversations: number, rows: number, findings: Findings): CheckReport {
  return { conversations, rows, damages: findings.damages, damageCount: findings.count };
}

/** LMDB's errors carry its number; a chunk's structure breaks with a RangeError. */
function isOfLmdb(error: unknown): boolean {
  return error instanceof RangeError || typeof (error as { code?: unknown }).code === 'number';
}
