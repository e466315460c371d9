import type { PrefsChange } from '../../../src/client/api.ts';
import type { UserPrefs } from '../../../src/protocol/frames.ts';

/** What was seen from outside in one run, in the order seen; times are virtual ms since its start. */

/** A device was told that its message is committed. */
export interface DeviceAck {
  readonly at: number;
  readonly device: string;
  readonly conv: string;
  readonly seq: number;
  readonly ts: number;
  readonly body: string;
  /** Which life of the device's client, and the how-manieth of its sends to the conversation. */
  readonly life: number;
  readonly nth: number;
}

/** A sequencer put an ack on the bus, whether or not it arrived. */
export interface OwnerAck {
  readonly at: number;
  readonly node: string;
  readonly conv: string;
  readonly seq: number;
  readonly ts: number;
  readonly cmid: string;
  readonly user: string;
  readonly body: string;
}

/** A frame of a conversation came to a device. */
export interface Told {
  readonly at: number;
  readonly user: string;
  readonly device: string;
  /** Numbered over all devices. */
  readonly connection: number;
  readonly t: 'message' | 'head';
  readonly conv: string;
  readonly seq: number;
}

/** A page that answered a `history`. */
export interface Read {
  readonly user: string;
  readonly device: string;
  readonly conv: string;
  readonly startedAt: number;
  readonly at: number;
  readonly after: number | undefined;
  readonly before: number | undefined;
  readonly head: number;
  readonly more: boolean;
  readonly seqs: readonly number[];
}

/** A message as a device's timeline showed it. */
export interface Shown {
  readonly user: string;
  readonly device: string;
  readonly life: number;
  readonly conv: string;
  readonly seq: number;
  /** '' for an event of the server's own. */
  readonly cmid: string;
  readonly body: string;
}

/** Where a device stood at the end. */
export interface Standing {
  readonly at: number;
  readonly user: string;
  readonly device: string;
  readonly conv: string;
  /** The highest seq that it was told of, and the one up to which it has everything. */
  readonly head: number;
  readonly last: number;
  readonly failure: string | undefined;
  /** Its read cursor there, and what it takes for unread. */
  readonly read: number;
  readonly unread: number;
  readonly mentions: number;
  /** How it shows the conversation. */
  readonly prefs: Required<PrefsChange>;
}

/** What a device asked to have set. */
export interface PrefsSet {
  readonly user: string;
  readonly conv: string;
  readonly change: PrefsChange;
  /** Virtual ms; not answered: it may have been set, or not. */
  readonly asked: number;
  answered: number | undefined;
  /** The device waits for no answer any more. */
  isOver: boolean;
}

/** The same of all conversations. */
export interface SettingsSet extends Omit<PrefsSet, 'conv' | 'change'> {
  readonly change: Partial<UserPrefs>;
}

/** What a device takes its user's settings to be at the end. */
export interface SettingsStanding {
  readonly user: string;
  readonly device: string;
  readonly settings: UserPrefs;
}

/** How one who is watched is, as a device has it and as it is. */
export interface PresenceStanding {
  readonly device: string;
  readonly watcher: string;
  readonly user: string;
  /** undefined: it was told nothing. */
  readonly told: boolean | undefined;
  readonly isOnline: boolean;
}

/** What a device was told of the others' cursors at the end. */
export interface ReceiptsTold {
  readonly user: string;
  readonly device: string;
  readonly conv: string;
  readonly items: readonly (readonly [user: string, delivered: number, read: number])[];
}

/** A row of a conversation's log as read from the store at the end. */
export interface FinalRow {
  readonly seq: number;
  readonly ts: number;
  readonly cmid: string;
  readonly from: string;
  readonly device: string;
  readonly kind: string;
  readonly body: string;
  readonly mentions: readonly string[];
}

export interface FinalLog {
  readonly conv: string;
  readonly rows: readonly FinalRow[];
  /** The two of a direct conversation. */
  readonly direct: readonly string[] | undefined;
}

export interface History {
  readonly deviceAcks: DeviceAck[];
  readonly ownerAcks: OwnerAck[];
  readonly told: Told[];
  readonly reads: Read[];
  readonly shown: Shown[];
  readonly standings: Standing[];
  readonly receipts: ReceiptsTold[];
  readonly prefs: PrefsSet[];
  readonly settings: SettingsSet[];
  readonly settled: SettingsStanding[];
  readonly presence: PresenceStanding[];
  readonly logs: Map<string, FinalLog>;
  /** What went wrong outside all checkers: a promise that nobody expected to fail, a broken invariant. */
  readonly errors: string[];
}

export function emptyHistory(): History {
  return {
    deviceAcks: [],
    ownerAcks: [],
    told: [],
    reads: [],
    shown: [],
    standings: [],
    receipts: [],
    prefs: [],
    settings: [],
    settled: [],
    presence: [],
    logs: new Map(),
    errors: [],
  };
}
