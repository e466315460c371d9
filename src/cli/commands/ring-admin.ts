import { realSystem } from '../../client/system.ts';
import type { RingNode, RingOwner, RingStatus } from '../../core/ring-control.ts';
import { type Flags, type FlagValues, UsageError } from '../args.ts';

const REQUEST_MS_MAX = 5_000;
const PORT_DEFAULT = '9090';
/** What a header may carry. */
const TOKEN = /^[\x21-\x7e]+$/;

export const ADMIN_FLAGS = {
  admin: {
    type: 'string',
    value: 'URL',
    help: `the admin port of any node (http://127.0.0.1:${PORT_DEFAULT}, port from CARILLON_ADMIN_PORT)`,
  },
  token: {
    type: 'string',
    value: 'TOKEN',
    help: "the nodes' CARILLON_ADMIN_TOKEN, which is taken if this is left out",
  },
  json: { type: 'boolean', help: 'one JSON document, for scripts' },
} as const satisfies Flags;

/** The node refuses, or is not what it should be: asking again does not help. */
export class AdminRefused extends Error {
  override readonly name = 'AdminRefused';
}

/** The node, or its store, does not answer now. */
export class AdminAway extends Error {
  override readonly name = 'AdminAway';
}

/** A RingOwner as JSON has it. */
export type FoundOwner = Omit<RingOwner, 'owner' | 'shouldOwn'> & {
  readonly owner: string | null;
  readonly shouldOwn: string | null;
};

/** The ring, as asked of one node over its admin port. All methods reject with AdminRefused or AdminAway. */
export class RingAdmin {
  readonly url: string;
  readonly #token: string | undefined;

  /** Throws a UsageError. */
  constructor(flags: Pick<FlagValues<typeof ADMIN_FLAGS>, 'admin' | 'token'>) {
    this.url = flags.admin ?? `http://127.0.0.1:${process.env.CARILLON_ADMIN_PORT || PORT_DEFAULT}`;
    if (!URL.canParse(this.url) || !/^https?:$/.test(new URL(this.url).protocol))
      throw new UsageError(`--admin ${this.url}: must be like http://127.0.0.1:${PORT_DEFAULT}`);
    this.#token = flags.token ?? (process.env.CARILLON_ADMIN_TOKEN || undefined);
    if (this.#token !== undefined && !TOKEN.test(this.#token))
      throw new UsageError('--token (CARILLON_ADMIN_TOKEN): must be printable ASCII without blanks');
  }

  async status(signal?: AbortSignal): Promise<RingStatus> {
    const status = await this.#ask('GET', 'ring', signal);
    if (isStatus(status)) return status;
    throw this.#unexpected('the state of a ring');
  }

  async owner(conv: string): Promise<FoundOwner> {
    const found = await this.#ask('GET', `ring/owner/${conv}`);
    if (isOwner(found)) return found;
    throw this.#unexpected('the owner of a conversation');
  }

  async change(action: 'drain' | 'undrain' | 'forget', node: string, signal?: AbortSignal): Promise<void> {
    await this.#ask('POST', `ring/${action}/${node}`, signal);
  }

  #unexpected(wanted: string): AdminRefused {
    return new AdminRefused(`${this.url} does not answer with ${wanted}; is it of another version?`);
  }

  async #ask(method: string, path: string, signal?: AbortSignal): Promise<unknown> {
    const { status, text } = await this.#fetch(method, path, signal);
    const body = parsed(text);
    if (body === undefined)
      throw new AdminRefused(`${this.url} is no admin port of Carillon (HTTP ${status}, not JSON)`);
    if (status < 300) return body;
    const { error } = body as { error?: unknown };
    const message = typeof error === 'string' ? error : `HTTP ${status}`;
    throw new (status === 503 ? AdminAway : AdminRefused)(message);
  }

  async #fetch(
    method: string,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; text: string }> {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    const cancel = realSystem.after(REQUEST_MS_MAX, abort);
    signal?.addEventListener('abort', abort);
    try {
      const base = this.url.endsWith('/') ? this.url : `${this.url}/`;
      const response = await fetch(new URL(path, base), {
        method,
        headers: this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` },
        redirect: 'manual', // the token is for this node
        signal: controller.signal,
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw new AdminAway(`no node answers at ${this.url} (${reason(error)})`, { cause: error });
    } finally {
      cancel();
      signal?.removeEventListener('abort', abort);
    }
  }
}

function reason(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: Error & { code?: string } };
  if (name === 'AbortError') return 'timed out';
  return cause?.code ?? cause?.message ?? message;
}

/** undefined: no JSON object. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function isStatus(value: unknown): value is RingStatus {
  const { from, partitions, nodes } = value as Partial<RingStatus>;
  return (
    typeof from === 'string' && typeof partitions === 'number' && Array.isArray(nodes) && nodes.every(isNode)
  );
}

function isNode(value: unknown): value is RingNode {
  const { node, state, addr, ...numbers } = value as RingNode;
  const counts = [numbers.beatAgeMs, numbers.partitions, numbers.owned, numbers.moving, numbers.lag];
  return (
    [node, state, addr].every((text) => typeof text === 'string') &&
    counts.every((count) => typeof count === 'number')
  );
}

function isOwner(value: unknown): value is FoundOwner {
  const { conv, owner, fence, head, shouldOwn } = value as Partial<FoundOwner>;
  const ids = [owner, shouldOwn].every((id) => id === null || typeof id === 'string');
  return ids && typeof conv === 'string' && typeof fence === 'number' && typeof head === 'number';
}
