/** Frames about users, not about one conversation. */
import type { Visibility } from '../core/users.ts';

/**
 * What the user wants, on all devices. With `conv` how a conversation is shown: at least one of mute, pin, archive.
 * Without it what holds for all: at least one of receipts, presence.
 */
export interface Prefs {
  readonly t: 'prefs';
  readonly id: number;
  readonly conv?: string;
  readonly mute?: number;
  readonly pin?: boolean;
  readonly archive?: boolean;
  readonly receipts?: boolean;
  readonly presence?: Visibility;
}
export interface Watch {
  readonly t: 'watch';
  readonly id: number;
  readonly users: readonly string[];
}
export interface Unwatch {
  readonly t: 'unwatch';
  readonly id: number;
  readonly users: readonly string[];
}
/** What the user has set for all conversations. */
export interface UserPrefs {
  readonly receipts: boolean;
  readonly presence: Visibility;
}
/** How one is whom the connection watches. `lastSeen`: Unix ms. */
export interface PresenceEvent {
  readonly t: 'presence';
  readonly user: string;
  readonly online: boolean;
  readonly lastSeen?: number;
}
/** What the user has set has changed. */
export interface PrefsEvent extends UserPrefs {
  readonly t: 'prefs';
}
