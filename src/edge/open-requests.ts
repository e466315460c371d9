import type { Session } from './session.ts';

/** The unanswered requests of all sessions: each id is answered once. */
export class OpenRequests {
  #total = 0;

  get total(): number {
    return this.#total;
  }

  open(session: Session, id: number): void {
    session.open ??= new Set();
    session.open.add(id);
    this.#total++;
  }

  isOpen(session: Session, id: number): boolean {
    return session.open?.has(id) === true;
  }

  count(session: Session): number {
    return session.open?.size ?? 0;
  }

  /** False: it is not open, and must not be answered again. */
  answered(session: Session, id: number): boolean {
    if (session.open?.delete(id) !== true) return false;
    this.#total--;
    return true;
  }

  /** The session has left. */
  forget(session: Session): void {
    this.#total -= session.open?.size ?? 0;
    session.open = undefined;
  }
}
