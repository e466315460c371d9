import type { RawClient, RawFrame } from '../support/raw-client.ts';
import { sleep } from '../support/server-process.ts';

const INSIST_MS_MAX = 60_000;

/** Asks, under new ids, until the answer is not a refusal for now. */
export async function insist(
  client: RawClient,
  frame: Omit<RawFrame, 'id'> & { readonly t: string },
): Promise<RawFrame> {
  const deadline = performance.now() + INSIST_MS_MAX;
  for (;;) {
    const answer = await client.request({ ...frame, id: nextId() } as RawFrame & { id: number });
    if (answer.t !== 'error' || answer['retryable'] !== true) return answer;
    if (performance.now() > deadline) throw new Error(`refused all the time: ${JSON.stringify(answer)}`);
    await sleep(Number(answer['retryAfterMs'] ?? 100));
  }
}

let lastId = 0;

/** An id that nothing else here uses. */
export function nextId(): number {
  return ++lastId;
}
