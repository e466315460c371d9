/**
 * Who is where. From an edge: announce users (they have a session, and are to be told what their inboxes may not show
 * yet), depart users (they have none any more), snapshot first, last, users (a part of all users; the parts follow
 * one another). From an owner: resync users (have their inboxes read again; none named: all), snapshotWanted.
 */
import type { UserId } from '../../src/core/ids.ts';
import type { FrameSink } from './flow-sender.ts';
import { FRAME, isUsers, readFields, writeFields } from './frame.ts';

/** Users of one part of a snapshot: below what a msgpack array may hold here. */
const PART_USERS_MAX = 1_000;

export interface SnapshotPart {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly users: readonly UserId[];
}

export function writeAnnounce(sink: FrameSink, user: UserId): void {
  writeFields(sink, FRAME.announce, [[user]]);
}

export function writeDepart(sink: FrameSink, user: UserId): void {
  writeFields(sink, FRAME.depart, [[user]]);
}

/** The users of an announce, depart or resync; undefined: it is none. */
export function readUsers(bytes: Uint8Array, start: number, end: number): UserId[] | undefined {
  const [users] = readFields(bytes, start, end) ?? [];
  return isUsers(users) ? users : undefined;
}

export function writeSnapshot(sink: FrameSink, users: Iterable<UserId>): void {
  let part: UserId[] = [];
  let isFirst = true;
  for (const user of users) {
    if (part.length === PART_USERS_MAX) {
      writeFields(sink, FRAME.snapshot, [isFirst, false, part]);
      isFirst = false;
      part = [];
    }
    part.push(user);
  }
  writeFields(sink, FRAME.snapshot, [isFirst, true, part]);
}

export function readSnapshot(bytes: Uint8Array, start: number, end: number): SnapshotPart | undefined {
  const [isFirst, isLast, users] = readFields(bytes, start, end) ?? [];
  if (typeof isFirst !== 'boolean' || typeof isLast !== 'boolean' || !isUsers(users)) return undefined;
  return { isFirst, isLast, users };
}

export function writeResync(sink: FrameSink, users: readonly UserId[]): void {
  writeFields(sink, FRAME.resync, [users]);
}

export function writeSnapshotWanted(sink: FrameSink): void {
  writeFields(sink, FRAME.snapshotWanted, []);
}
