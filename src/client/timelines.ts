import type { Entry } from '../core/entry.ts';
import type { Message, Page } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import { ClientError } from './errors.ts';
import type { ClientSystem } from './system.ts';
import { type HistoryRange, Timeline, type TimelineOptions } from './timeline.ts';

export interface TimelinesOptions {
  readonly system: ClientSystem;
  sender(): { readonly from: string; readonly device: string };
  history(conv: string, range: HistoryRange): Promise<Page>;
  /** Messages were added to a timeline, the last of them this one. */
  came(message: Message): void;
}

/** The timelines that somebody looks at, one per conversation. */
export class Timelines {
  readonly #options: TimelinesOptions;
  readonly #open = new Map<string, Timeline>();

  constructor(options: TimelinesOptions) {
    this.#options = options;
  }

  get(conv: string): Timeline | undefined {
    return this.#open.get(conv);
  }

  all(): readonly Timeline[] {
    return [...this.#open.values()];
  }

  open(conv: string, options: TimelineOptions): Timeline {
    if (this.#open.size >= LIMITS.havePairsMax) {
      throw new ClientError('outbox_full', `${LIMITS.havePairsMax} timelines are open: close some`);
    }
    const { system, sender, history, came } = this.#options;
    const source = {
      system,
      sender,
      history: (range: HistoryRange) => history(conv, range),
      closed: () => void this.#open.delete(conv),
    };
    const timeline = new Timeline(conv, source, options);
    timeline.on('append', (messages) => came(messages.at(-1) as Message));
    this.#open.set(conv, timeline);
    return timeline;
  }

  /** The server has said something new of the conversation. */
  check({ conv, head, removed }: Pick<Entry, 'conv' | 'head' | 'removed'>): void {
    const timeline = this.#open.get(conv);
    if (timeline === undefined || removed !== undefined) return;
    if (timeline.failure !== undefined)
      timeline.reset(); // it may be readable again
    else timeline.headIs(head);
  }

  /** What `hello` says to have; undefined: nothing. */
  have(): [string, number][] | undefined {
    const pairs: [string, number][] = [];
    for (const { conv, have } of this.#open.values()) if (have !== undefined) pairs.push([conv, have]);
    return pairs.length > 0 ? pairs : undefined;
  }
}
