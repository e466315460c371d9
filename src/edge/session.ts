import type { ConversationId, DeviceId, Seq, UserId } from '../core/ids.ts';
import type { EventDelivery, GrantAnswer, HistoryRequest, PageAnswer } from '../core/requests.ts';
import type { Lanes } from './lanes.ts';
import type { Marks } from './marks.ts';
import type { TokenBucket } from './rate-limit.ts';
import type { Account } from './registry.ts';
import type { Socket } from './socket.ts';
import type { Watched } from './watches.ts';

/**
 * new: no `hello` yet. greeting: until `welcome` is written. push: events are written as they come. pull: the
 * socket is behind, or is being told what it missed; events are marked. closed: nothing is written any more.
 */
export type SessionMode = 'new' | 'greeting' | 'push' | 'pull' | 'closed';

/** An event on its way to sockets: one object per event and subprotocol, whatever the number of recipients. */
export class EventFrame {
  readonly bytes: Uint8Array;
  readonly delivery: EventDelivery;

  constructor(bytes: Uint8Array, delivery: EventDelivery) {
    this.bytes = bytes;
    this.delivery = delivery;
  }
}

export type Outgoing = Uint8Array | EventFrame;

/** A page to be answered when the socket has room for it. */
export type PageJob =
  | { readonly t: 'history'; readonly request: HistoryRequest; readonly answer: PageAnswer | GrantAnswer }
  | {
      readonly t: 'conversations';
      readonly id: number;
      readonly before: string | undefined;
      readonly limit: number;
    };

/** What came between `hello` and `welcome`, to be handled after it. */
export interface HeldInput {
  readonly frames: { readonly bytes: Uint8Array; readonly isBinary: boolean }[];
  bytes: number;
}

/** One connection. What an idle one does not need is undefined until it does. */
export class Session {
  /** Never used twice by one edge. */
  readonly number: number;
  readonly socket: Socket;
  readonly isJson: boolean;
  mode: SessionMode = 'new';

  user: UserId = '';
  device: DeviceId = '';
  attempt = 0;
  /** Unix ms. */
  expiresAt = Number.POSITIVE_INFINITY;
  /** Set from the moment that the session is announced. */
  account: Account | undefined = undefined;
  /** What events were forwarded before (Audiences.order), it was not told. */
  since = 0;

  /** Monotonic ms of its opening, of the last sign of life, … */
  readonly openedAt: number;
  heardAt: number;
  /** … and of the turn to pull. */
  pullSince = 0;
  /** Whether its socket may hold unsent bytes. */
  isBuffered = false;

  /** Ids of requests that are unanswered, and how many of them ask for pages. */
  open: Set<number> | undefined = undefined;
  openReads = 0;
  lanes: Lanes | undefined = undefined;
  /** Limits frames of all kinds. */
  readonly frames: TokenBucket;
  heldInput: HeldInput | undefined = undefined;
  pages: PageJob[] | undefined = undefined;
  readingPage = false;

  /** What this turn will write. */
  out: Outgoing[] | undefined = undefined;
  outBytes = 0;
  /** The conversation whose order `out` has a part in; '' for none, '*' for several. */
  outConv = '';
  isDirty = false;

  marks: Marks | undefined = undefined;
  /** More was missed than there is room for marks. */
  marksOverflowed = false;
  settling = false;
  /** What it said to have that its owners are being asked about. */
  probes: Map<ConversationId, Seq> | undefined = undefined;
  /** The conversations shown so far to a session that could not be shown all; undefined: all are. */
  listed: Set<ConversationId> | undefined = undefined;
  /** Digests of the inbox that it was told (sync-cursor.ts), from its `welcome` on. */
  cursor = '';
  shape = '';
  /** Its inbox is to be read again after the `welcome`. */
  mustResync = false;
  /** Whom it watches. */
  watching: Set<Watched> | undefined = undefined;
  /** The badge that it was told last. */
  badge = 0;
  /** `at` of the settings that it was told. */
  settingsAt = 0;

  constructor(number: number, socket: Socket, frames: TokenBucket, now: number) {
    this.number = number;
    this.socket = socket;
    this.isJson = socket.subprotocol === 'json';
    this.frames = frames;
    this.openedAt = now;
    this.heardAt = now;
  }

  /** Whether events of the conversation may be written: it was shown, and nothing before them is owed. */
  mayReceive(conv: ConversationId): boolean {
    return this.hasSeen(conv) && this.marks?.has(conv) !== true;
  }

  hasSeen(conv: ConversationId): boolean {
    return this.listed === undefined || this.listed.has(conv);
  }
}
