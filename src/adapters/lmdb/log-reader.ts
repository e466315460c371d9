import type { Environment } from './environment.ts';
import { logKey } from './keys.ts';
import { readU64 } from '../../protocol/message-frame.ts';
import { ChunkReader, chunkFault } from './record-codec.ts';

/** The number of the log's last chunk; 0 for an empty log. */
export function lastChunk(env: Environment): number {
  for (const key of env.log.getKeys({
    start: logKey(Number.MAX_SAFE_INTEGER),
    end: logKey(0),
    reverse: true,
    limit: 1,
  })) {
    return readU64(key, 0);
  }
  return 0;
}

/** A chunk of the log, at the entry at `position`. It holds until the next read of the environment. */
export function readChunk(env: Environment, number: number, position: number): ChunkReader {
  const bytes = env.log.getBinaryFast(logKey(number));
  if (bytes === undefined) throw new Error(`chunk ${number} of the log is missing`);
  return new ChunkReader(bytes, bytes.length, position);
}

export interface LogVisitor {
  /** At each entry in turn; rows and puts are still to be read. */
  entry(reader: ChunkReader, chunk: number): void;
  /** A chunk that is missing or damaged: the walk goes on after it if this returns. */
  damaged(chunk: number, what: string): void;
}

/** Walks the chunks from `from` up to the end of the log, verifying checksums and that none is missing. */
export function walkLog(env: Environment, from: number, visitor: LogVisitor): void {
  let expected = from;
  for (const { key, value } of env.log.getRange({ start: logKey(from) })) {
    const number = readU64(key, 0);
    if (number !== expected)
      visitor.damaged(expected, `chunks ${expected} to ${number - 1} of the log are missing`);
    expected = number + 1;
    visitChunk(value, number, visitor);
  }
}

function visitChunk(chunk: Uint8Array, number: number, visitor: LogVisitor): void {
  const fault = chunkFault(chunk, number);
  if (fault !== undefined) return visitor.damaged(number, fault);
  const reader = new ChunkReader(chunk, chunk.length);
  while (reader.nextEntry()) visitor.entry(reader, number);
}
