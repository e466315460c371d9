/**
 * Keeps each session's sends in the order in which it sent them, over refusals and over a move of the
 * conversation. A send carries its ordinal and the lowest one of the session still unanswered (base):
 * nothing before base can come any more, so ordinal = base may always be taken.
 */
export class SessionOrdinals {
  /** The next ordinal expected, by edge and session; of an edge's sessions the longest untouched is first. */
  readonly #expected = new Map<string, Map<number, number>>();
  #size = 0;
  readonly #sessionsMax: number;

  constructor(sessionsMax: number) {
    this.#sessionsMax = sessionsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether this send is the session's next one; if so it is taken. */
  take(edge: string, session: number, ordinal: number, base: number): boolean {
    const expected = this.#expected.get(edge)?.get(session);
    if (ordinal !== base && ordinal !== expected) return false;
    if (expected === undefined) {
      if (this.#size >= this.#sessionsMax) this.#forgetOldest();
      this.#size++;
    }
    let sessions = this.#expected.get(edge);
    if (sessions === undefined) {
      sessions = new Map();
      this.#expected.set(edge, sessions);
    }
    sessions.delete(session); // to be set last
    sessions.set(session, ordinal + 1);
    return true;
  }

  /** A taken send was refused after all: it is the next one again. */
  giveBack(edge: string, session: number, ordinal: number): void {
    const sessions = this.#expected.get(edge);
    const expected = sessions?.get(session);
    if (sessions !== undefined && expected !== undefined && ordinal < expected)
      sessions.set(session, ordinal);
  }

  /** Of the edge with the most sessions, the one longest untouched. */
  #forgetOldest(): void {
    let crowded: Map<number, number> | undefined;
    let crowdedEdge = '';
    for (const [edge, sessions] of this.#expected) {
      if (crowded === undefined || sessions.size > crowded.size) [crowdedEdge, crowded] = [edge, sessions];
    }
    const [oldest] = crowded?.keys() ?? [];
    if (crowded === undefined || oldest === undefined) return;
    crowded.delete(oldest);
    this.#size--;
    if (crowded.size === 0) this.#expected.delete(crowdedEdge);
  }
}
