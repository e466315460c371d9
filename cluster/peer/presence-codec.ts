/**
 * Who is where. From an edge: announce users (they have a session, and are to be told what their inboxes may not show
 * yet), depart users (they have none any more), snapshot first, last, users (a part of all users; the parts follow
 * one another), watch and unwatch users (their states are wanted, or no more). From an owner: resync users (have their
 * inboxes read again; none named: all), snapshotWanted, state user, online, seen, visibleTo; settings user, receipts,
 * presence, at.
 */
import type { UserId } from '../../src/core/ids.ts';
import type { SettingsDelivery, StateDelivery } from '../../src/core/requests.ts';
import type { UserState } from '../../src/core/users.ts';
import type { FrameSink } from './flow-sender.ts';
import { FRAME, isCount, isFlag, isUser, isUsers, isVisibility, readFields, writeFields } from './frame.ts';

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

export function writeWatch(sink: FrameSink, user: UserId): void {
  writeFields(sink, FRAME.watch, [[user]]);
}

export function writeUnwatch(sink: FrameSink, user: UserId): void {
  writeFields(sink, FRAME.unwatch, [[user]]);
}

/** The users of a frame that names users alone; undefined: it is none. */
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

export function writeState(sink: FrameSink, { user, online, seen, visibleTo }: UserState): void {
  writeFields(sink, FRAME.state, [user, online, seen, visibleTo]);
}

export function readState(
  edge: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): StateDelivery | undefined {
  const [user, online, seen, visibleTo] = readFields(bytes, start, end) ?? [];
  if (!isUser(user) || !isFlag(online) || !isCount(seen) || !isVisibility(visibleTo)) return undefined;
  return { t: 'state', edge, state: { user, online, seen, visibleTo } };
}

export function writeSettings(sink: FrameSink, { user, settings }: SettingsDelivery): void {
  const { receipts, presence, at } = settings;
  writeFields(sink, FRAME.settings, [user, receipts, presence, at]);
}

export function readSettings(bytes: Uint8Array, start: number, end: number): SettingsDelivery | undefined {
  const [user, receipts, presence, at] = readFields(bytes, start, end) ?? [];
  if (!isUser(user) || !isFlag(receipts) || !isVisibility(presence) || !isCount(at)) return undefined;
  return { t: 'settings', user, settings: { receipts, presence, at } };
}
