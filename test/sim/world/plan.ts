import type { Visibility } from '../../../src/core/users.ts';
import type { Subprotocol } from '../../../src/edge/socket.ts';
import type { ReplicaIndex } from '../store/weather.ts';

/** What happens in one run, all of it decided before it starts. Times are virtual ms. */

/** A moment of a sequencer's work with the store: an operation is sent, or its answer is there. */
export interface Moment {
  readonly operation: string;
  readonly when: 'sent' | 'answered';
  /** The how-manieth of any sequencer from the ambush's beginning, from 1. */
  readonly nth: number;
  /** So long after it. */
  readonly afterMs?: number;
}

export type Fault =
  | { readonly t: 'crash'; readonly slot: string; readonly ms: number }
  | { readonly t: 'pause'; readonly slot: string; readonly ms: number }
  /** As a pause, and the process's own clocks stand still: it cannot tell. */
  | { readonly t: 'freeze'; readonly slot: string; readonly ms: number }
  | { readonly t: 'jump'; readonly slot: string; readonly byMs: number }
  | { readonly t: 'leave'; readonly slot: string; readonly ms: number }
  | { readonly t: 'drain'; readonly slot: string; readonly ms: number }
  | { readonly t: 'join'; readonly slot: string }
  | { readonly t: 'storeSlow'; readonly ms: number; readonly share: number; readonly slowMs: number }
  | { readonly t: 'replicaDown'; readonly ms: number; readonly replica: ReplicaIndex }
  | { readonly t: 'storeTimeouts'; readonly ms: number; readonly share: number; readonly lwtShare: number }
  | { readonly t: 'storeLoss'; readonly ms: number; readonly share: number }
  | { readonly t: 'storeCut'; readonly ms: number; readonly slot: string }
  | { readonly t: 'storeAway'; readonly ms: number }
  | {
      readonly t: 'busRough';
      readonly ms: number;
      readonly loss: number;
      readonly twice: number;
      readonly late: number;
      readonly lateMsMax: number;
    }
  | { readonly t: 'partition'; readonly ms: number; readonly slot: string }
  | { readonly t: 'busCut'; readonly ms: number; readonly slot: string }
  | { readonly t: 'busAway'; readonly ms: number }
  | { readonly t: 'deviceOffline'; readonly ms: number; readonly device: string; readonly silent: boolean }
  /** What the device sends arrives, what it is sent does not; then it is offline. */
  | { readonly t: 'deviceDeaf'; readonly ms: number; readonly offlineMs: number; readonly device: string }
  | { readonly t: 'appRestart'; readonly device: string }
  /** So many of the bus's messages from now on, of one kind to one edge, are lost. */
  | { readonly t: 'lastLost'; readonly ms: number; readonly slot: string }
  /** Whichever sequencer comes to the moment first. */
  | {
      readonly t: 'ambush';
      readonly moment: Moment;
      readonly does: 'crash' | 'pause' | 'freeze';
      readonly ms: number;
    };

export type FaultKind = Fault['t'];

export type Action =
  | {
      readonly t: 'say';
      readonly device: string;
      readonly conv: number;
      readonly count: number;
      readonly bytes: number;
      readonly mentions: readonly string[] | undefined;
    }
  | {
      readonly t: 'history';
      readonly device: string;
      readonly conv: number;
      readonly back: number | undefined;
    }
  | {
      readonly t: 'members';
      readonly device: string;
      readonly conv: number;
      readonly op: 'add' | 'remove' | 'leave';
      readonly user: string;
    }
  /** Reads up to so many events before the head. */
  | { readonly t: 'read'; readonly device: string; readonly conv: number; readonly back: number }
  | {
      readonly t: 'prefs';
      readonly device: string;
      readonly conv: number;
      readonly change: { readonly mute: number } | { readonly pin: boolean } | { readonly archive: boolean };
    }
  | {
      readonly t: 'settings';
      readonly device: string;
      readonly change: { readonly receipts: boolean } | { readonly presence: Visibility };
    }
  | { readonly t: 'watch' | 'unwatch'; readonly device: string; readonly users: readonly string[] }
  | { readonly t: 'create'; readonly conv: number };

export type Step = { readonly at: number } & (
  | { readonly fault: Fault; readonly action?: undefined }
  | { readonly action: Action; readonly fault?: undefined }
);

export interface DevicePlan {
  readonly user: string;
  readonly name: string;
  readonly subprotocol: Subprotocol;
}

export interface ConversationPlan {
  readonly kind: 'direct' | 'group';
  /** A device of its creator. */
  readonly device: string;
  readonly members: readonly string[];
}

export interface Plan {
  readonly seed: number;
  readonly profile: string;
  readonly leaseTimeoutMs: number;
  readonly sequencers: number;
  readonly storeDelayMsMax: number;
  /** Of writes to one replica, all the time. */
  readonly storeLoss: number;
  readonly busDelayMsMax: number;
  readonly devices: readonly DevicePlan[];
  readonly conversations: readonly ConversationPlan[];
  /** In the order of their times. */
  readonly steps: readonly Step[];
  /** When the calm begins. */
  readonly activeMs: number;
}
