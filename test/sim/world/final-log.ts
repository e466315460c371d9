import type { Role } from '../../../src/core/entry.ts';
import type { FloorRow, LogTable } from '../../../src/core/cluster-ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import {
  messageCmid,
  messageDevice,
  messageFrom,
  messageKind,
  messageMentions,
  messageText,
  readU64,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';
import type { FinalLog, FinalRow } from './history.ts';

/**
 * A conversation's log, made of what a quorum of replicas has, as anyone would who reads it for the first time: the
 * highest fence per seq, the floor's rule applied. What lies behind a gap is left in.
 */
export function finalLog(
  conv: string,
  stored: readonly StoredRow[],
  floor: FloorRow | undefined,
  direct: readonly string[] | undefined,
): FinalLog {
  const rows: FinalRow[] = [];
  for (const { seq, fence, env } of stored) {
    const isVoid = floor !== undefined && seq >= floor.start && fence < floor.fence;
    if (isVoid || seq === rows.at(-1)?.seq) continue;
    const cmid = messageCmid(env);
    const [from, device, kind, body] = [
      messageFrom(env),
      messageDevice(env),
      messageKind(env),
      messageText(env),
    ];
    const mentions = messageMentions(env);
    rows.push({ seq, ts: readU64(env, TS_AT), cmid, from, device, kind, body, mentions });
  }
  return { conv, rows, direct };
}

export type Members = ReadonlyMap<string, Role>;

interface Created {
  readonly members: readonly (readonly [string, Role])[];
}
interface Changed {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly leave?: string;
  readonly role?: readonly (readonly [string, Role])[];
}

/** Who is a member once all up to a seq has happened, for each seq from 0; nothing, where the log does not say it. */
export function membersBySeq({ rows, direct }: FinalLog): Members[] {
  if (direct === undefined && rows[0]?.kind !== 'sys.created') return [];
  let members = new Map<string, Role>((direct ?? []).map((user) => [user, 'member']));
  const bySeq: Members[] = [members];
  for (const { kind, body } of rows) {
    if (kind === 'sys.created') members = new Map((JSON.parse(body) as Created).members);
    else if (kind === 'sys.members') members = changed(members, JSON.parse(body) as Changed);
    bySeq.push(members);
  }
  return bySeq;
}

function changed(
  before: Members,
  { add = [], remove = [], leave = '', role = [] }: Changed,
): Map<string, Role> {
  const members = new Map(before);
  for (const user of add) members.set(user, 'member');
  for (const user of remove) members.delete(user);
  members.delete(leave);
  for (const [user, is] of role) members.set(user, is);
  return members;
}

const FLOORS_MS = 200;
const FLOORS_LOOKS_MAX = 50;

/** The floors of all: a read that the store does not answer is repeated while time passes. */
export function floorsOf(
  convs: readonly string[],
  reader: Pick<LogTable, 'floor'>,
  pass: (ms: number) => void,
): ReadonlyMap<string, FloorRow | undefined> {
  const floors = new Map<string, FloorRow | undefined>();
  const ask = (conv: string): void =>
    void reader.floor(conv).then(
      (floor) => floors.set(conv, floor),
      () => ask(conv),
    );
  for (const conv of convs) ask(conv);
  for (let i = 0; i < FLOORS_LOOKS_MAX && floors.size < convs.length; i++) pass(FLOORS_MS);
  return floors;
}
