/** next: it is taken. early: one before it is still to come. past: a copy of one that was decided. */
export type Turn = 'next' | 'early' | 'past';

interface Session {
  /** The next ordinal expected. */
  next: number;
  /** The highest that was refused for good: who is no member. */
  refused: number;
}

/**
 * Keeps each session's sends in the order in which it sent them, over refusals and over a move of the
 * conversation. A send carries its ordinal and the lowest one of the session still unanswered (base):
 * nothing before base can come any more, so ordinal = base may be taken unless it was decided already.
 */
export class SessionOrdinals {
  /** By edge and number; of an edge's sessions the longest untouched is first. */
  readonly #sessions = new Map<string, Map<number, Session>>();
  #size = 0;
  #hasRefused = false;
  readonly #sessionsMax: number;

  constructor(sessionsMax: number) {
    this.#sessionsMax = sessionsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether this send is the session's next one; if so it is taken. */
  take(edge: string, number: number, ordinal: number, base: number): Turn {
    const known = this.#get(edge, number);
    const next = known?.next ?? 0;
    if (ordinal < next) return 'past';
    if (ordinal !== base && ordinal !== next) return 'early';
    if (known === undefined) {
      this.#add(edge, number, { next: ordinal + 1, refused: 0 });
      return 'next';
    }
    known.next = ordinal + 1;
    const sessions = this.#sessions.get(edge) as Map<number, Session>;
    sessions.delete(number); // to be set last
    sessions.set(number, known);
    return 'next';
  }

  /** A taken send was refused after all: it is the next one again. */
  giveBack(edge: string, number: number, ordinal: number): void {
    const session = this.#get(edge, number);
    if (session !== undefined && ordinal < session.next) session.next = ordinal;
  }

  /** A taken send was refused for good. */
  refused(edge: string, number: number, ordinal: number): void {
    const session = this.#get(edge, number);
    if (session !== undefined) session.refused = ordinal;
    this.#hasRefused = true;
  }

  /**
   * Whether the edge, by the base that it gives, may not have heard yet of a refusal for good: if it gave the refused one
   * up meanwhile, its client sends that again first.
   */
  isRefusalUnheard(edge: string, number: number, base: number): boolean {
    return this.#hasRefused && base <= (this.#get(edge, number)?.refused ?? 0);
  }

  #get(edge: string, number: number): Session | undefined {
    return this.#sessions.get(edge)?.get(number);
  }

  #add(edge: string, number: number, session: Session): void {
    if (this.#size >= this.#sessionsMax) this.#forgetOldest();
    this.#size++;
    const sessions = this.#sessions.get(edge);
    if (sessions === undefined) this.#sessions.set(edge, new Map([[number, session]]));
    else sessions.set(number, session);
  }

  /** Of the edge with the most sessions, the one longest untouched. */
  #forgetOldest(): void {
    let crowded: Map<number, Session> | undefined;
    let crowdedEdge = '';
    for (const [edge, sessions] of this.#sessions) {
      if (crowded === undefined || sessions.size > crowded.size) [crowdedEdge, crowded] = [edge, sessions];
    }
    const [oldest] = crowded?.keys() ?? [];
    if (crowded === undefined || oldest === undefined) return;
    crowded.delete(oldest);
    this.#size--;
    if (crowded.size === 0) this.#sessions.delete(crowdedEdge);
  }
}
