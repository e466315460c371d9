import type { Seq } from '../src/core/ids.ts';
import type { Answer, HistoryRequest } from '../src/core/requests.ts';
import type { TailCache } from './tail-cache.ts';

/**
 * The page asked for, of events 1 … head: whole from memory, or leave to read it from the store. `after` asks
 * for the oldest events above it, `before` for the newest below it, neither for the newest.
 */
export function historyPage(
  request: HistoryRequest,
  head: Seq,
  tail: TailCache,
  pageBytesMax: number,
): Answer {
  const newestFirst = request.after === undefined;
  const bottom = request.after === undefined ? 1 : request.after + 1;
  const top = request.before === undefined ? head : Math.min(head, request.before - 1);
  const from = newestFirst ? Math.max(bottom, top - request.limit + 1) : bottom;
  const to = newestFirst ? top : Math.min(top, bottom + request.limit - 1);
  if (from > to) return { t: 'page', head, frames: [], more: false };
  const moreBeyond = newestFirst ? from > 1 : to < head;
  if (from < tail.first) return { t: 'grant', head, from, to, newestFirst, limit: request.limit, moreBeyond };
  return pageFromMemory(head, from, to, newestFirst, tail, pageBytesMax, moreBeyond);
}

function pageFromMemory(
  head: Seq,
  from: Seq,
  to: Seq,
  newestFirst: boolean,
  tail: TailCache,
  pageBytesMax: number,
  moreBeyond: boolean,
): Answer {
  const frames: Uint8Array[] = [];
  let bytes = 0;
  for (let i = 0; i <= to - from; i++) {
    const frame = tail.at(newestFirst ? to - i : from + i) as Uint8Array;
    bytes += frame.length;
    if (frames.length > 0 && bytes > pageBytesMax) {
      return { t: 'page', head, frames: newestFirst ? frames.reverse() : frames, more: true };
    }
    frames.push(frame);
  }
  return { t: 'page', head, frames: newestFirst ? frames.reverse() : frames, more: moreBeyond };
}
