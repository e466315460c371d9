import { until } from '../../support/server-process.ts';
import type { NodeProcess } from '../../services/stack.ts';
import type { RingNode, RingStatus } from '../../../src/core/ring-control.ts';
import type { Site } from './site.ts';

const ASK_MS_MAX = 2_000;

/** What an operator sees, by whichever node answers: edges are asked first, since they own nothing. */
export async function ringStatus(site: Site): Promise<RingStatus> {
  return (await asked(site, 'GET', '/ring')) as RingStatus;
}

export async function changeRing(site: Site, what: 'drain' | 'undrain', node: string): Promise<void> {
  await asked(site, 'POST', `/ring/${what}/${node}`);
}

/** The ids of sequencers that live, as the ring has them. */
export async function liveNodes(site: Site): Promise<RingNode[]> {
  return (await ringStatus(site)).nodes.filter(({ state }) => state === 'live' || state === 'draining');
}

/** Waits until the ring is as it should be; resolves with the ms that it took. */
export async function untilRing(
  site: Site,
  what: string,
  msMax: number,
  holds: (nodes: readonly RingNode[]) => boolean,
): Promise<number> {
  const from = performance.now();
  let last: readonly RingNode[] = [];
  const look = async (): Promise<void> => {
    while (!stopped) {
      last = await ringStatus(site).then(
        ({ nodes }) => nodes,
        () => last,
      );
      if (holds(last)) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    done = true;
  };
  let done = false;
  let stopped = false;
  void look();
  try {
    await until(what, msMax, () => done);
  } catch (error) {
    stopped = true;
    throw new Error(`${(error as Error).message}; the ring: ${JSON.stringify(last)}`, { cause: error });
  }
  return performance.now() - from;
}

/** The id of its term; undefined while it starts or is away. */
export async function idOf(node: NodeProcess): Promise<string | undefined> {
  try {
    const response = await fetch(`${node.adminUrl}/node`, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    const { node: id } = (await response.json()) as { node?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

async function asked(site: Site, method: string, path: string): Promise<unknown> {
  let last: unknown = new Error('no node runs');
  for (const { process } of [...site.edges, ...site.sequencers]) {
    if (!process.isStarted || process.exited) continue;
    try {
      const response = await fetch(`${process.adminUrl}${path}`, {
        method,
        signal: AbortSignal.timeout(ASK_MS_MAX),
      });
      const answer = (await response.json()) as { error?: string };
      if (response.ok) return answer;
      last = new Error(`${process.name}: ${method} ${path}: ${response.status} ${answer.error}`);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
