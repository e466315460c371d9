import { isUuid } from '../../core/ids.ts';
import type { RingNode, RingStatus } from '../../core/ring-control.ts';
import { UsageError } from '../args.ts';

const PART_LENGTH_MIN = 4;
const PART = /^[0-9a-f-]+$/;

/** A node as a person names it: its id, or a beginning or an end of it. Throws a UsageError. */
export function checkNodeName(text: string): string {
  const name = text.toLowerCase();
  if (PART.test(name) && name.length >= PART_LENGTH_MIN && name.length <= 36) return name;
  throw new UsageError(
    `${text}: must be a node's id, or ${PART_LENGTH_MIN} or more characters of its beginning or its end`,
  );
}

/** `name` has passed checkNodeName. Throws an Error that lists the candidates unless it is of one node alone. */
export function findNode({ nodes }: RingStatus, name: string): RingNode {
  const whole = isUuid(name);
  const found = nodes.filter(({ node }) =>
    whole ? node === name : node.startsWith(name) || node.endsWith(name),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (nodes.length === 0) throw new Error(`${name} is no node of the ring: it has none`);
  throw new Error(
    found.length > 1
      ? `${name} fits ${found.length} nodes:\n${list(found)}`
      : `${name} is no node of the ring; it has:\n${list(nodes)}`,
  );
}

function list(nodes: readonly RingNode[]): string {
  return nodes.map(({ node, state, addr }) => `  ${node}  ${state}  ${addr}`.trimEnd()).join('\n');
}

/** Its end: what was made at nearly the same time begins alike. */
export function shortName(node: string): string {
  return `…${node.slice(-12)}`;
}
