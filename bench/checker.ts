/**
 * Checks, while a load runs, that each conversation is one dense order that all its views agree on.
 *
 * A view is one connection's sight of one conversation: its own sends through `ack`s, all others through
 * `message`s. The protocol promises each view every seq once, rising. So a view needs no list: the next seq, and
 * a hash over (seq, message number) that must be the same in all views of the conversation at the end.
 */
const PROBLEMS_MAX = 20;

export class Checker {
  /** What went wrong, in words; the first few. */
  readonly problems: string[] = [];
  #problemCount = 0;
  readonly #heads: Uint32Array;
  readonly #hashes: Uint32Array;
  readonly #views: number;
  /** Acked and delivered events seen so far, for the report. */
  acked = 0;
  delivered = 0;

  /** `views` per conversation; view v of conversation c is number c * views + v. */
  constructor(conversations: number, views: number) {
    this.#views = views;
    this.#heads = new Uint32Array(conversations * views);
    this.#hashes = new Uint32Array(conversations * views);
  }

  get problemCount(): number {
    return this.#problemCount;
  }

  /** Every view starts after `seq`: a group's `sys.created`, say, or what earlier runs left. */
  startAfter(conversation: number, seq: number): void {
    const first = conversation * this.#views;
    this.#heads.fill(seq, first, first + this.#views);
  }

  /** The sender's view: message `number` has this seq. */
  ack(conversation: number, view: number, seq: number, number: number): void {
    this.acked++;
    this.#see(conversation, view, seq, number, 'ack');
  }
  /** A recipient's view. */
  message(conversation: number, view: number, seq: number, number: number): void {
    this.delivered++;
    this.#see(conversation, view, seq, number, 'message');
  }

  #see(conversation: number, view: number, seq: number, number: number, frame: string): void {
    const at = conversation * this.#views + view;
    const expected = (this.#heads[at] as number) + 1;
    if (seq !== expected) {
      const fault = seq < expected ? 'doubled or out of order' : 'a gap';
      this.problem(
        `conversation ${conversation}, view ${view}: ${frame} with seq ${seq}, expected ${expected} (${fault})`,
      );
      if (seq < expected) return;
    }
    this.#heads[at] = seq;
    this.#hashes[at] = mix(this.#hashes[at] as number, seq, number);
  }

  /** Any other fault that the load saw. */
  problem(text: string): void {
    this.#problemCount++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text);
  }

  head(conversation: number, view: number): number {
    return this.#heads[conversation * this.#views + view] as number;
  }

  /** Whether all views of all conversations have come as far as the furthest: nothing is under way any more. */
  settled(): boolean {
    for (let first = 0; first < this.#heads.length; first += this.#views) {
      const head = this.#heads[first];
      for (let v = 1; v < this.#views; v++) if (this.#heads[first + v] !== head) return false;
    }
    return true;
  }

  /** To be called once, when nothing is under way: every view must have seen the same events. */
  finish(): void {
    const conversations = this.#heads.length / this.#views;
    for (let conversation = 0; conversation < conversations; conversation++) {
      const first = conversation * this.#views;
      const views = this.#heads.subarray(first, first + this.#views);
      let head = 0;
      for (const view of views) if (view > head) head = view;
      for (let v = 0; v < this.#views; v++) {
        if (views[v] !== head) {
          this.problem(
            `conversation ${conversation}, view ${v}: ends at seq ${views[v]}, others at ${head} (lost)`,
          );
        } else if (this.#hashes[first + v] !== this.#hashes[first]) {
          this.problem(
            `conversation ${conversation}: views 0 and ${v} hold different messages under the same seqs`,
          );
        }
      }
    }
  }
}

/** Depends on every (seq, number) and on their order. */
function mix(hash: number, seq: number, number: number): number {
  let h = Math.imul(hash ^ seq, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h ^ number, 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
