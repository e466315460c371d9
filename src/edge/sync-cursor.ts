/**
 * The cursor of `hello`: a digest of all that a user was told, so that the next `welcome` may leave out what has
 * not changed. No clock, nothing kept by the server. Its form: a version byte, then one big-endian u32 per bucket
 * of conversation ids, the sum of the hashes of the entries in it; base64url. Buckets are a power of two up to
 * 256, as many as the user has conversations.
 */
import { Buffer } from 'node:buffer';
import type { Entry } from '../core/entry.ts';
import { hashText } from '../core/hash.ts';
import type { ConversationId } from '../core/ids.ts';

const VERSION = 1;
const BUCKETS_MAX = 256;

/** The cursor for a user who was told these entries, which may come in any order. */
export function cursorOf(entries: readonly Entry[]): string {
  return encode(entries, hashOf);
}

/** The same of what seldom changes: which conversations there are, as what the user is in them, and their titles. */
export function shapeOf(entries: readonly Entry[]): string {
  return encode(entries, shapeHashOf);
}

function encode(entries: readonly Entry[], hash: Hash): string {
  let buckets = 1;
  while (buckets < entries.length && buckets < BUCKETS_MAX) buckets *= 2;
  const sums = digest(entries, buckets, hash);
  const bytes = Buffer.alloc(1 + 4 * buckets);
  bytes[0] = VERSION;
  for (let i = 0; i < buckets; i++) bytes.writeUInt32BE(sums[i] as number, 1 + 4 * i);
  return bytes.toString('base64url');
}

/**
 * Tells of each entry whether it may have changed since the cursor was made. A cursor that this version did not
 * make knows nothing: all may have.
 */
export function changedSince(
  cursor: string | undefined,
  entries: readonly Entry[],
): (entry: Entry) => boolean {
  return differing(cursor, entries, hashOf);
}

/** The same for `shapeOf`. */
export function reshapedSince(shape: string, entries: readonly Entry[]): (entry: Entry) => boolean {
  return differing(shape, entries, shapeHashOf);
}

function differing(
  cursor: string | undefined,
  entries: readonly Entry[],
  hash: Hash,
): (entry: Entry) => boolean {
  const known = cursor === undefined ? undefined : parse(cursor);
  if (known === undefined) return () => true;
  const now = digest(entries, known.length, hash);
  return ({ conv }) => {
    const bucket = bucketOf(conv, known.length);
    return known[bucket] !== now[bucket];
  };
}

function parse(cursor: string): Uint32Array | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  const buckets = (bytes.length - 1) / 4;
  const isCount = buckets >= 1 && buckets <= BUCKETS_MAX && Math.log2(buckets) % 1 === 0;
  if (!isCount || bytes[0] !== VERSION) return undefined;
  return Uint32Array.from({ length: buckets }, (_, i) => bytes.readUInt32BE(1 + 4 * i));
}

type Hash = (entry: Entry) => number;

function digest(entries: readonly Entry[], buckets: number, hash: Hash): Uint32Array {
  const sums = new Uint32Array(buckets);
  for (const entry of entries) {
    const bucket = bucketOf(entry.conv, buckets);
    sums[bucket] = (sums[bucket] as number) + hash(entry);
  }
  return sums;
}

function bucketOf(conv: ConversationId, buckets: number): number {
  return finish(hashText(conv)) & (buckets - 1);
}

const ROLES = { owner: 1, admin: 2, member: 3 } as const;

function hashOf(entry: Entry): number {
  const hash = mix(hashText(entry.conv), entry.head);
  return finish(mixShape(mix(hash, entry.read), entry));
}

function shapeHashOf(entry: Entry): number {
  return finish(mixShape(hashText(entry.conv), entry));
}

function mixShape(seed: number, entry: Entry): number {
  const { removed, role, title, mute = 0, pin = false, archive = false } = entry;
  let hash = mix(mix(seed, removed ?? -1), ROLES[role]);
  if (title !== undefined) hash = mix(hash, hashText(title));
  const isSet = mute > 0 || pin || archive;
  return isSet ? mix(mix(hash, mute), (pin ? 1 : 0) + (archive ? 2 : 0)) : hash;
}

function mix(hash: number, value: number): number {
  const low = Math.imul(hash ^ value, 0x9e3779b1);
  return Math.imul(low ^ (low >>> 15) ^ Math.floor(value / 2 ** 32), 0x85ebca6b);
}

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
