/** How many of a cluster's sequencers own conversations: the others are drained, so that all stay as warm as they are. */
import type { RingNode, RingStatus } from '../src/core/ring-control.ts';
import type { Target } from './plan.ts';

const LOOK_MS = 250;
/** How long the ring must look settled: a change shows after a heartbeat, a look at it, and a pause before it moves. */
const SETTLED_MS = 4_000;
const SETTLE_MS_MAX = 120_000;

/** Whether these own all there is: `working` are the ids of sequencers, `drained` those of all others. */
export function isSettled(
  nodes: readonly RingNode[],
  working: readonly string[],
  drained: readonly string[],
): boolean {
  const inState = (state: RingNode['state']): string[] =>
    nodes.flatMap((node) => (node.state === state ? [node.node] : []));
  const isDraining = new Set(inState('draining'));
  return (
    nodes.length === working.length + drained.length &&
    working.every((id) => inState('live').includes(id)) &&
    drained.every((id) => isDraining.has(id)) &&
    nodes.every(({ node, owned, moving }) => moving === 0 && (owned === 0 || !isDraining.has(node)))
  );
}

/** Rejects when the ring has not settled in time. */
export async function letWork(count: number, admin: NonNullable<Target['admin']>): Promise<void> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  let settledAt: number | undefined;
  for (;;) {
    // A sequencer that had to end its term has another id, and knows nothing of its drain.
    const ids = await Promise.all(admin.sequencers.map(idOf));
    const { nodes } = (await ask('GET', `${admin.edges[0]}/ring`)) as RingStatus;
    const now = performance.now();
    if (!isSettled(nodes, ids.slice(0, count), ids.slice(count))) settledAt = undefined;
    else if (now - (settledAt ??= now) >= SETTLED_MS) return;
    if (now > deadline)
      throw new Error(
        `the ring has not settled on ${count} sequencer(s) in ${SETTLE_MS_MAX} ms: ${JSON.stringify(nodes)}`,
      );
    for (const [i, url] of admin.sequencers.entries()) await change(url, ids[i] as string, i < count, nodes);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Asks for what the ring does not show yet, of the node itself: nothing of it goes over a bus that may lose it. */
async function change(url: string, id: string, works: boolean, nodes: readonly RingNode[]): Promise<void> {
  const state = nodes.find(({ node }) => node === id)?.state;
  if (state === 'live' && !works) await ask('POST', `${url}/ring/drain/${id}`);
  if (state === 'draining' && works) await ask('POST', `${url}/ring/undrain/${id}`);
}

async function idOf(adminUrl: string): Promise<string> {
  return ((await ask('GET', `${adminUrl}/node`)) as { node: string }).node;
}

async function ask(method: 'GET' | 'POST', url: string): Promise<unknown> {
  const response = await fetch(url, { method });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response.json();
}
