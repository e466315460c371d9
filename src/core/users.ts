import { uuidV8 } from './direct-id.ts';
import type { ConversationId, UserId } from './ids.ts';

/** Who may see whether a user is online: everyone, those in a direct conversation with the user, or nobody. */
export type Visibility = 'everyone' | 'contacts' | 'nobody';
export const VISIBILITIES: readonly Visibility[] = ['everyone', 'contacts', 'nobody'];

/** What a user has set for all conversations. */
export interface UserSettings {
  /** Whether the others are shown what the user has read. */
  readonly receipts: boolean;
  readonly presence: Visibility;
  /** Rises with each change; 0: nothing was ever set. */
  readonly at: number;
}
export const UNSET: UserSettings = { receipts: true, presence: 'everyone', at: 0 };

/** What is kept of a user; of two rows, each part is the one with the higher number. */
export interface UserRow {
  readonly user: UserId;
  readonly settings: UserSettings;
  /** Unix ms of having been online; 0: never. */
  readonly seen: number;
}

/** How a user is, as far as whoever watches may know it. */
export interface UserState {
  readonly user: UserId;
  readonly online: boolean;
  /** Unix ms of having been online; 0: not known. */
  readonly seen: number;
  readonly visibleTo: Visibility;
}

/** The id under which the ring names who looks after a user's presence and settings. */
export function homeOf(user: UserId): ConversationId {
  return uuidV8(`carillon/user/1\0${user}`);
}
