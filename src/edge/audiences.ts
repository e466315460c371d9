import type { ConversationId, Seq, UserId } from '../core/ids.ts';
import type { Audience, MessageDelivery } from '../core/requests.ts';
import type { EdgeBounds } from './bounds.ts';
import type { Session } from './session.ts';

/** The local recipients of a conversation's events. */
export class LocalAudience {
  audience: Audience;
  /** Sessions that are written to, … */
  readonly push: Session[] = [];
  /** … and those that have events marked: being greeted, slow, or not shown the conversation yet. */
  readonly aside: Session[] = [];
  /** Of `push`, those that speak JSON. */
  jsonSessions = 0;
  /** Whether those in `push` are subscribed to the topic named after the conversation. */
  isTopic = false;
  /** The last event forwarded: all in the lists were there when it was, or registered later. */
  lastSeq: Seq = 0;
  lastN = 0;
  /** Its place among all events forwarded. */
  order = 0;
  /** Whether it was asked for since the eviction last came by. */
  used = true;

  constructor(audience: Audience) {
    this.audience = audience;
  }
}

type Event = Pick<MessageDelivery, 'audience' | 'seq' | 'n'>;

type Bounds = Pick<
  EdgeBounds,
  'topicSessionsMin' | 'topicSessionsKeep' | 'audiencesMax' | 'audienceUsersMax'
>;

/**
 * What the edge makes of the audiences that owners name: which local sessions, by topic or one by one. Kept per
 * conversation until a newer audience comes; beyond the bounds those unused for longest are forgotten, and made
 * again when needed.
 */
export class Audiences {
  readonly #bounds: Bounds;
  /** undefined: no such user here. */
  readonly #sessionsOf: (user: UserId) => readonly Session[] | undefined;
  readonly #byConv = new Map<ConversationId, LocalAudience>();
  /** Of all users named, those without a session too: they may connect. */
  readonly #byUser = new Map<UserId, Set<LocalAudience>>();
  #users = 0;
  /** The number of events forwarded so far. */
  order = 0;
  /** Topics need somebody to publish to them. */
  topicsAllowed = false;

  constructor(bounds: Bounds, sessionsOf: (user: UserId) => readonly Session[] | undefined) {
    this.#bounds = bounds;
    this.#sessionsOf = sessionsOf;
  }

  get size(): number {
    return this.#byConv.size;
  }

  /** To whom an event goes, the next of its conversation to be forwarded; undefined: it was, or a later one. */
  forwarding({ audience, seq, n }: Event): LocalAudience | undefined {
    let local = this.#byConv.get(audience.conv);
    // Before its audience counts: one of an earlier owner's may come late, and must not bring back who was removed.
    if (local !== undefined && seq <= local.lastSeq) return undefined;
    if (local === undefined) local = this.#make(audience);
    else if (local.audience !== audience) this.#update(local, audience);
    local.used = true;
    local.lastSeq = seq;
    local.lastN = n;
    local.order = ++this.order;
    return local;
  }

  /** Whether the user is among the recipients of the last event forwarded, and was not removed since. */
  includes(local: LocalAudience, user: UserId): boolean {
    return this.#byUser.get(user)?.has(local) === true;
  }

  /** Whether the session was told, or has it marked, that the conversation has an event `seq`, as far as is remembered. */
  knows(session: Session, conv: ConversationId, seq: Seq): boolean {
    const local = this.#byConv.get(conv);
    if (local === undefined || seq > local.lastSeq || local.order <= session.since) return false;
    return this.includes(local, session.user);
  }

  /** The user is no member any more; an event without the user may be yet to come. */
  leave(local: LocalAudience, user: UserId): void {
    if (this.includes(local, user)) this.#removeUser(local, user);
  }

  get(conv: ConversationId): LocalAudience | undefined {
    return this.#byConv.get(conv);
  }

  /** Registers the session: it hears of what is forwarded from now on. */
  register(session: Session): void {
    session.since = this.order;
    this.place(session);
  }

  /** Places the session in all audiences of its user, or anew after its mode or what it has seen changed. */
  place(session: Session): void {
    for (const local of this.#byUser.get(session.user) ?? []) this.#replace(local, session);
  }

  /** The same for one conversation. */
  placeIn(session: Session, conv: ConversationId): void {
    const local = this.#byConv.get(conv);
    if (local !== undefined && this.#byUser.get(session.user)?.has(local) === true)
      this.#replace(local, session);
  }

  /** Of a session that goes; call it before its socket is closed. */
  remove(session: Session): void {
    for (const local of this.#byUser.get(session.user) ?? []) this.#remove(local, session);
  }

  /** The conversations whose topic the session is subscribed to. */
  *topicsOf(session: Session): Generator<LocalAudience> {
    for (const local of this.#byUser.get(session.user) ?? [])
      if (local.isTopic && local.push.includes(session)) yield local;
  }

  #make(audience: Audience): LocalAudience {
    const local = new LocalAudience(audience);
    this.#byConv.set(audience.conv, local);
    for (const user of audience.users) this.#addUser(local, user);
    this.#evict(local);
    return local;
  }

  #update(local: LocalAudience, audience: Audience): void {
    const after = new Set(audience.users);
    for (const user of local.audience.users) if (!after.has(user)) this.#removeUser(local, user);
    for (const user of after) if (!this.includes(local, user)) this.#addUser(local, user);
    local.audience = audience;
    this.#evict(local);
  }

  #addUser(local: LocalAudience, user: UserId): void {
    const locals = this.#byUser.get(user);
    if (locals === undefined) this.#byUser.set(user, new Set([local]));
    else locals.add(local);
    this.#users++;
    for (const session of this.#sessionsOf(user) ?? []) this.#add(local, session);
  }

  #removeUser(local: LocalAudience, user: UserId): void {
    const locals = this.#byUser.get(user);
    if (locals?.delete(local) === true) this.#users--;
    if (locals?.size === 0) this.#byUser.delete(user);
    for (const session of this.#sessionsOf(user) ?? []) this.#remove(local, session);
  }

  #replace(local: LocalAudience, session: Session): void {
    const pushed = local.push.includes(session);
    if (pushed === belongsInPush(local, session) && (pushed || local.aside.includes(session))) return;
    this.#remove(local, session);
    this.#add(local, session);
  }

  #add(local: LocalAudience, session: Session): void {
    if (!belongsInPush(local, session)) {
      local.aside.push(session);
      return;
    }
    local.push.push(session);
    if (session.isJson) local.jsonSessions++;
    if (local.isTopic) session.socket.subscribe(local.audience.conv);
    else if (this.topicsAllowed && local.push.length >= this.#bounds.topicSessionsMin) {
      local.isTopic = true;
      for (const member of local.push) member.socket.subscribe(local.audience.conv);
    }
  }

  #remove(local: LocalAudience, session: Session): void {
    if (takeOut(local.aside, session) || !takeOut(local.push, session)) return;
    if (session.isJson) local.jsonSessions--;
    if (!local.isTopic) return;
    session.socket.unsubscribe(local.audience.conv);
    if (local.push.length < this.#bounds.topicSessionsKeep) this.#endTopic(local);
  }

  #endTopic(local: LocalAudience): void {
    local.isTopic = false;
    for (const session of local.push) session.socket.unsubscribe(local.audience.conv);
  }

  #evict(keep: LocalAudience): void {
    while (this.#byConv.size > this.#bounds.audiencesMax || this.#users > this.#bounds.audienceUsersMax)
      if (!this.#evictOne(keep)) return;
  }

  /** Second chance: passes over those used since it last came by. False: nothing but `keep` is left. */
  #evictOne(keep: LocalAudience): boolean {
    for (const [conv, local] of this.#byConv) {
      if (local === keep) {
        if (this.#byConv.size === 1) return false;
        continue;
      }
      this.#byConv.delete(conv);
      if (local.used) {
        local.used = false;
        this.#byConv.set(conv, local);
        continue;
      }
      if (local.isTopic) this.#endTopic(local);
      for (const user of local.audience.users) {
        const locals = this.#byUser.get(user);
        if (locals?.delete(local) === true) this.#users--;
        if (locals?.size === 0) this.#byUser.delete(user);
      }
      return true;
    }
    return false;
  }
}

function belongsInPush(local: LocalAudience, session: Session): boolean {
  return session.mode === 'push' && session.mayReceive(local.audience.conv);
}

/** Takes one out of a list without order. */
function takeOut(sessions: Session[], session: Session): boolean {
  const index = sessions.indexOf(session);
  if (index < 0) return false;
  const last = sessions.pop() as Session;
  if (index < sessions.length) sessions[index] = last;
  return true;
}
