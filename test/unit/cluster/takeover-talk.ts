/** What is said in the tests of take-overs: one conversation, its batches, and who has it. */
import assert from 'node:assert/strict';
import { type Claim, type ReadLimits } from '../../../src/core/ports.ts';
import type { AppendBatch, AppendRow, Establishment } from '../../../src/core/rows.ts';
import { encodeMessage, payloadHash } from '../../../src/protocol/message-frame.ts';
import { LEASE_MS, type Node, type Stage } from './takeover-rig.ts';

export const CONV = '0190a000-0000-7000-8000-00000000c0de';
export const ALL: ReadLimits = { rowsMax: 10_000, bytesMax: 1e9 };

export function row(seq: number, body: string): AppendRow {
  const bytes = new TextEncoder().encode(body);
  const cmid = `0190a000-0000-7000-8000-${seq.toString(16).padStart(4, '0')}${body.length.toString(16).padStart(8, '0')}`;
  const env = encodeMessage({
    conv: CONV,
    seq,
    n: seq,
    ts: seq * 1_000,
    from: 'ann',
    device: 'd',
    cmid,
    kind: 'text',
    body: bytes,
    text: true,
  });
  return { seq, m: 0, env, user: 'ann', device: 'd', cmid, hash: payloadHash('text', bytes, true) };
}

export function batch(
  fence: number,
  c: number,
  bodies: readonly string[],
  establish?: Establishment,
): AppendBatch {
  return {
    conv: CONV,
    fence,
    c,
    rows: bodies.map((body, i) => row(c + 1 + i, body)),
    establish,
    dirtySlot: 1,
  };
}

export const establish: Establishment = {
  conversation: {
    conv: CONV,
    kind: 'direct',
    title: undefined,
    created: 1,
    creator: 'ann',
    originHash: 1,
    version: 0,
  },
  members: ['ann', 'bob'].map((user) => ({
    user,
    role: 'member',
    join: 0,
    left: 0,
    read: 0,
    readN: 0,
    delivered: 0,
  })),
};

/** A node that has created the conversation and committed two messages. */
export async function owner(stage: Stage): Promise<Node> {
  const a = await stage.node('a');
  assert.deepEqual(await stage.wait(a.claim(CONV)), { t: 'none', fence: 1 });
  assert.equal(await stage.wait(a.append(batch(1, 0, ['one', 'two'], establish))), 'committed');
  return a;
}

export async function texts(stage: Stage, node: Node): Promise<string[]> {
  const head = await stage.wait(node.log.head(CONV));
  const rows = await stage.wait(node.log.read(CONV, 1, head, false, ALL));
  return rows.map(({ env }) =>
    new TextDecoder().decode(env.subarray(68 + (env[3] as number) + (env[4] as number))),
  );
}

/** Killed; another node starts, and waits until its silence is long enough. */
export async function successorOf(stage: Stage, dead: Node, name: string): Promise<Node> {
  dead.system.kill();
  const node = await stage.node(name);
  await stage.system.advance(2 * LEASE_MS);
  return node;
}

/** With the seqs of its tail. */
export function owned(claim: Claim): {
  fence: number;
  recovered: boolean;
  tail: readonly number[] | undefined;
} {
  assert.ok(claim.t === 'owned', claim.t);
  const { fence, recovered, tail } = claim;
  return { fence, recovered, tail: tail?.map(({ seq }) => seq) };
}

export function fenceOf(claim: Claim): number {
  assert.equal(claim.t, 'owned');
  return claim.t === 'owned' ? claim.fence : 0;
}
