import type { ConversationId, UserId } from '../../src/core/ids.ts';
import type { Audience } from '../../src/core/requests.ts';
import type { PeerBounds } from './bounds.ts';
import type { Directory } from './directory.ts';
import type { EdgePeer } from './edge-peer.ts';

/** A conversation's recipients at one edge. */
export class EdgeRecipients {
  readonly edge: EdgePeer;
  /** Those who are online there. */
  readonly present = new Set<UserId>();
  /** The set that the edge was sent, and its number; 0: none was. Who left it stays in until the set is sent anew. */
  set: ReadonlySet<UserId> = new Set();
  number = 0;
  epoch = 0;
  /** Whether the set lacks somebody, or has somebody who is no member any more. */
  isStale = true;

  constructor(edge: EdgePeer) {
    this.edge = edge;
  }

  get mustSend(): boolean {
    return this.isStale || this.epoch !== this.edge.setsEpoch;
  }
}

/** A conversation of which events were published, and to whom. */
export class Recipients {
  audience: Audience;
  readonly edges: EdgeRecipients[] = [];
  /** Monotonic ms of the last event. */
  lastAt = 0;
  used = true;

  constructor(audience: Audience) {
    this.audience = audience;
  }

  at(edge: EdgePeer): EdgeRecipients | undefined {
    return this.edges.find((each) => each.edge === edge);
  }
}

type Bounds = Pick<PeerBounds, 'audiencesMax' | 'audienceUsersMax'>;

/**
 * Who gets a conversation's events, by edge: made once per change of its members or of their presence. It is also
 * what an owner remembers for those who were offline: which of their conversations had events of late.
 */
export class RecipientsCache {
  readonly #bounds: Bounds;
  readonly #directory: Directory;
  readonly #forget: (edge: EdgePeer, number: number) => void;
  readonly #byConv = new Map<ConversationId, Recipients>();
  readonly #byUser = new Map<UserId, Set<Recipients>>();
  #users = 0;
  #forgottenAt: number | undefined;

  /** `forget`: an edge need not keep the set any more. */
  constructor(bounds: Bounds, directory: Directory, forget: (edge: EdgePeer, number: number) => void) {
    this.#bounds = bounds;
    this.#directory = directory;
    this.#forget = forget;
  }

  get size(): number {
    return this.#byConv.size;
  }

  /** Whether a conversation with an event at `since` (monotonic ms) or later is not remembered any more. */
  hasForgotten(since: number): boolean {
    return this.#forgottenAt !== undefined && this.#forgottenAt >= since;
  }

  of(audience: Audience): Recipients {
    let recipients = this.#byConv.get(audience.conv);
    if (recipients === undefined) recipients = this.#make(audience);
    else if (recipients.audience !== audience) this.#update(recipients, audience);
    recipients.used = true;
    return recipients;
  }

  get(conv: ConversationId): Recipients | undefined {
    return this.#byConv.get(conv);
  }

  /** The conversations of a user that are remembered. */
  *ofUser(user: UserId): Generator<Recipients> {
    yield* this.#byUser.get(user) ?? [];
  }

  online(user: UserId, edge: EdgePeer): void {
    for (const recipients of this.#byUser.get(user) ?? []) place(recipients, user, edge);
  }

  offline(user: UserId, edge: EdgePeer): void {
    for (const recipients of this.#byUser.get(user) ?? []) recipients.at(edge)?.present.delete(user);
  }

  /** The edge is gone, with what it was sent. */
  edgeGone(edge: EdgePeer): void {
    for (const recipients of this.#byConv.values()) {
      const index = recipients.edges.findIndex((each) => each.edge === edge);
      if (index >= 0) recipients.edges.splice(index, 1);
    }
  }

  #make(audience: Audience): Recipients {
    const recipients = new Recipients(audience);
    this.#byConv.set(audience.conv, recipients);
    for (const user of audience.users) this.#addUser(recipients, user);
    this.#evict(recipients);
    return recipients;
  }

  #update(recipients: Recipients, audience: Audience): void {
    const before = new Set(recipients.audience.users);
    const after = new Set(audience.users);
    recipients.audience = audience;
    for (const user of before) if (!after.has(user)) this.#removeUser(recipients, user);
    for (const user of after) if (!before.has(user)) this.#addUser(recipients, user);
    this.#evict(recipients);
  }

  #addUser(recipients: Recipients, user: UserId): void {
    const all = this.#byUser.get(user);
    if (all === undefined) this.#byUser.set(user, new Set([recipients]));
    else all.add(recipients);
    this.#users++;
    for (const edge of this.#directory.edgesOf(user)) place(recipients, user, edge);
  }

  #removeUser(recipients: Recipients, user: UserId): void {
    this.#unlink(recipients, user);
    for (const each of recipients.edges) {
      each.present.delete(user);
      if (each.set.has(user)) each.isStale = true;
    }
  }

  #unlink(recipients: Recipients, user: UserId): void {
    const all = this.#byUser.get(user);
    if (all?.delete(recipients) === true) this.#users--;
    if (all?.size === 0) this.#byUser.delete(user);
  }

  #evict(keep: Recipients): void {
    const { audiencesMax, audienceUsersMax } = this.#bounds;
    while (this.#byConv.size > audiencesMax || this.#users > audienceUsersMax)
      if (!this.#evictOne(keep)) return;
  }

  /** Second chance: passes over those used since it last came by. False: nothing but `keep` is left. */
  #evictOne(keep: Recipients): boolean {
    for (const [conv, recipients] of this.#byConv) {
      if (recipients === keep) {
        if (this.#byConv.size === 1) return false;
        continue;
      }
      this.#byConv.delete(conv);
      if (recipients.used) {
        recipients.used = false;
        this.#byConv.set(conv, recipients);
        continue;
      }
      this.#drop(recipients);
      return true;
    }
    return false;
  }

  #drop(recipients: Recipients): void {
    this.#forgottenAt = Math.max(this.#forgottenAt ?? 0, recipients.lastAt);
    for (const user of recipients.audience.users) this.#unlink(recipients, user);
    for (const each of recipients.edges) if (each.number !== 0) this.#forget(each.edge, each.number);
  }
}

function place(recipients: Recipients, user: UserId, edge: EdgePeer): void {
  let at = recipients.at(edge);
  if (at === undefined) {
    at = new EdgeRecipients(edge);
    recipients.edges.push(at);
  }
  at.present.add(user);
  if (!at.set.has(user)) at.isStale = true;
}
