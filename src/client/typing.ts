import { LIMITS } from '../protocol/limits.ts';
import type { Typing as TypingFrame, TypingEvent } from '../protocol/frames.ts';
import type { Cancel, ClientSystem } from './system.ts';

/** People typing that are kept track of; of more, the end is not told. */
const TYPISTS_MAX = 1_000;

/** Who is typing, here and elsewhere: told to the server no more often than it passes on, and ended when it counts no more. */
export class Typing {
  readonly #system: ClientSystem;
  readonly #send: (frame: TypingFrame) => boolean;
  readonly #changed: (event: TypingEvent) => void;
  /** Of the own user: when each conversation was last told, monotonic ms. */
  readonly #told = new Map<string, number>();
  readonly #others = new Map<string, Cancel>();

  constructor(
    system: ClientSystem,
    send: (frame: TypingFrame) => boolean,
    changed: (event: TypingEvent) => void,
  ) {
    this.#system = system;
    this.#send = send;
    this.#changed = changed;
  }

  /** The own user types, or has stopped. */
  set(conv: string, on: boolean): void {
    const now = this.#system.monotonic();
    const told = this.#told.get(conv);
    if (on ? told !== undefined && now - told < LIMITS.typingEveryMs : told === undefined) return;
    this.#told.delete(conv);
    if (this.#send({ t: 'typing', conv, on }) && on) this.#told.set(conv, now);
    if (this.#told.size > TYPISTS_MAX) this.#told.delete(this.#told.keys().next().value as string);
  }

  /** The own user sent what was typed. */
  sent(conv: string): void {
    this.#told.delete(conv);
  }

  event(event: TypingEvent): void {
    const { conv, user, on } = event;
    if (!on) this.ended(conv, user);
    else if (this.#keep(conv, user)) this.#changed(event);
  }

  /** A member stopped, or a message shows it. */
  ended(conv: string, user: string): void {
    const key = `${conv} ${user}`;
    this.#others.get(key)?.();
    if (this.#others.delete(key)) this.#changed({ t: 'typing', conv, user, on: false });
  }

  /** The connection is gone: nobody is known to type. */
  offline(): void {
    this.#told.clear();
    for (const key of [...this.#others.keys()]) {
      const [conv = '', user = ''] = key.split(' ');
      this.ended(conv, user);
    }
  }

  /** Whether that is news. */
  #keep(conv: string, user: string): boolean {
    const key = `${conv} ${user}`;
    const cancel = this.#others.get(key);
    cancel?.();
    if (cancel === undefined && this.#others.size >= TYPISTS_MAX) return false;
    this.#others.set(
      key,
      this.#system.after(LIMITS.typingMs, () => this.ended(conv, user)),
    );
    return cancel === undefined;
  }
}
