import type { System, Timer } from '../../src/core/ports.ts';
import { writeAsked } from './answer-codec.ts';
import type { PeerBounds } from './bounds.ts';
import type { PeerLink } from './peer-link.ts';

interface Question {
  readonly link: PeerLink;
  readonly ticket: number;
  readonly resolve: (isAwaited: boolean) => void;
  readonly timer: Timer;
}

/** An owner's questions to edges whether they still wait for the answer to a request; the oldest first. */
export class AwaitedAsks {
  readonly #system: System;
  readonly #bounds: Pick<PeerBounds, 'asksMax' | 'askMsMax'>;
  readonly #questions = new Map<number, Question>();
  #last = 0;

  constructor(system: System, bounds: Pick<PeerBounds, 'asksMax' | 'askMsMax'>) {
    this.#system = system;
    this.#bounds = bounds;
  }

  /** False too if the edge does not say so in time. */
  ask(link: PeerLink, ticket: number): Promise<boolean> {
    if (this.#questions.size >= this.#bounds.asksMax) return Promise.resolve(false);
    const number = ++this.#last;
    writeAsked(link, number, ticket);
    return new Promise((resolve) => {
      const timer = this.#system.after(this.#bounds.askMsMax, () => this.#settle(number, false));
      this.#questions.set(number, { link, ticket, resolve, timer });
    });
  }

  answered(link: PeerLink, number: number, isAwaited: boolean): void {
    if (this.#questions.get(number)?.link === link) this.#settle(number, isAwaited);
  }

  /** Something was lost on the way to the edge or back. */
  again(link: PeerLink): void {
    for (const [number, question] of this.#questions)
      if (question.link === link) writeAsked(link, number, question.ticket);
  }

  /** The edge is gone. */
  closed(link: PeerLink): void {
    for (const [number, question] of this.#questions) if (question.link === link) this.#settle(number, false);
  }

  stop(): void {
    for (const number of this.#questions.keys()) this.#settle(number, false);
  }

  #settle(number: number, isAwaited: boolean): void {
    const question = this.#questions.get(number);
    if (question === undefined) return; // it came too late
    this.#questions.delete(number);
    question.timer.cancel();
    question.resolve(isAwaited);
  }
}
