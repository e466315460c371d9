import type { Seq } from './ids.ts';

/** The log of a conversation is kept in buckets, each a partition of its own; no batch and no read crosses one. */
const BUCKET_ROWS = 4_096;

/** The bucket of a seq, from 0. */
export function bucketOf(seq: Seq): number {
  return Math.floor((seq - 1) / BUCKET_ROWS);
}

export function firstOfBucket(seq: Seq): Seq {
  return bucketOf(seq) * BUCKET_ROWS + 1;
}

export function lastOfBucket(seq: Seq): Seq {
  return (bucketOf(seq) + 1) * BUCKET_ROWS;
}

/** The bucket that holds both; throws a RangeError when there is none. */
export function commonBucket(from: Seq, to: Seq): number {
  const bucket = bucketOf(from);
  if (from < 1 || to < from || bucketOf(to) !== bucket)
    throw new RangeError(`seqs ${from} to ${to} are not within one bucket`);
  return bucket;
}
