import { badgeOf, type Entry } from '../core/entry.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { ConversationEvent, Head, Message } from '../protocol/frames.ts';
import { Places } from './places.ts';
import type { ClientSystem } from './system.ts';

export interface DirectoryOptions {
  readonly system: ClientSystem;
  /** Conversations kept; beyond it the least recently active are forgotten. */
  readonly conversationsMax: number;
  changed(entry: Entry): void;
  /** Asks for the event at `seq`, of which `placed` is then told. */
  place(conv: string, seq: number): Promise<unknown>;
  /** The server shows an earlier cursor than `read`, which it was told or had: it may have lost it. */
  isBehind(conv: string, read: number): void;
}

interface Known {
  entry: Entry;
  /** Number of messages up to `entry.read`; undefined after an own send whose place among them is unknown. */
  readN: number | undefined;
  /** Whether `readN` is that of an earlier cursor: `unread` may then be too high. */
  isUnsure?: boolean;
  /** Mentions of the user; as the entry says, if not given. */
  mentions?: Mentions;
}

/** How many up to `upTo` were said to be unread, and which have come since. */
interface Mentions {
  readonly said: number;
  readonly upTo: number;
  readonly seqs: readonly number[];
}

/** Of more, the first ones are forgotten. */
const MENTIONS_MAX = 1_000;

/** The user's conversations as far as the client was told, kept up to date by events. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #known = new Map<string, Known>();
  readonly #places: Places;
  #user = '';

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#places = new Places(options.system, (conv) => {
      const { entry, isUnsure = false } = this.#known.get(conv) ?? {};
      return entry !== undefined && isUnsure ? options.place(conv, entry.read) : undefined;
    });
  }

  set user(user: string) {
    if (this.#user !== '' && this.#user !== user) this.#known.clear();
    this.#user = user;
  }

  get(conv: string): Entry | undefined {
    return this.#known.get(conv)?.entry;
  }

  /** Those that the user is a member of, the most recently active first. */
  list(): Entry[] {
    const entries: Entry[] = [];
    for (const { entry } of this.#known.values()) if (entry.removed === undefined) entries.push(entry);
    return entries.sort((a, b) => b.ts - a.ts || (a.conv < b.conv ? -1 : 1));
  }

  /** Unread messages over all conversations known. */
  get unread(): number {
    let sum = 0;
    for (const { entry } of this.#known.values()) if (entry.removed === undefined) sum += entry.unread;
    return sum;
  }

  /** Of those that are not muted. */
  badge(now: number): number {
    return badgeOf(
      Array.from(this.#known.values(), ({ entry }) => entry),
      now,
    );
  }

  /** An entry of `welcome`: the server's word at the start of a connection, whatever was known before. */
  replace(entry: Entry): void {
    const known = this.#known.get(entry.conv);
    if (known !== undefined && known.entry.head <= entry.head) this.#renew(known, entry);
    else this.#set({ entry, readN: entry.n - entry.unread });
  }

  /** An entry of a page, which may be older than the events seen since `welcome`. */
  merge(entry: Entry): void {
    const known = this.#known.get(entry.conv);
    if (known === undefined) this.replace(entry);
    else this.#renew(known, entry);
  }

  conversation(event: ConversationEvent): void {
    const { t: _, badge: _badge, ...fields } = event;
    const known = this.#known.get(event.conv);
    if (event.kind !== undefined && event.role !== undefined && event.head !== undefined) {
      this.merge({ ...EMPTY, ...(fields as Partial<Entry>), conv: event.conv });
      return;
    }
    if (known === undefined) return;
    const entry = { ...known.entry };
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) Object.assign(entry, { [name]: value });
    }
    const mentions = event.mentions === undefined ? known.mentions : saidBy(entry);
    // Of an own message that was acked, and of those before it, `n` is a guess until an event says it.
    if (event.unread === undefined && event.removed === undefined) this.#set({ ...known, entry, mentions });
    else this.#set({ entry, readN: entry.n - entry.unread, mentions });
  }

  /** What was known stays where the entry is older: neither heads nor cursors fall, and owners may follow one another. */
  #renew(known: Known, entry: Entry): void {
    if (entry.removed !== known.entry.removed) {
      this.#set({ entry, readN: entry.n - entry.unread });
      return;
    }
    const { head, n, ts, preview } = known.entry.head > entry.head ? known.entry : entry;
    const isBehind = known.entry.read > entry.read;
    const read = isBehind ? known.entry.read : entry.read;
    const readN = isBehind ? known.readN : entry.n - entry.unread;
    const unread = unreadOf(read, readN, head, n, known.entry.unread);
    const isUnsure = isBehind && known.isUnsure === true;
    const { mute, pin, archive, set = 0 } = known.entry;
    const prefs = set > (entry.set ?? 0) ? { mute, pin, archive, set } : {};
    const mentions = head > entry.head ? known.mentions : saidBy(entry);
    if (isBehind) this.#options.isBehind(entry.conv, read);
    this.#set({
      entry: { ...entry, head, n, ts, preview, read, unread, ...prefs },
      readN,
      isUnsure,
      mentions,
    });
  }

  head(event: Head): void {
    const known = this.#known.get(event.conv);
    if (known === undefined || event.seq < known.entry.head) return;
    const { entry } = known;
    const { seq: head, n } = event;
    // What it says may be of a cursor that has moved since.
    const most = unreadOf(entry.read, known.readN, head, n, event.unread ?? 0);
    const unread = Math.min(event.unread ?? most, most);
    this.#set({ ...known, entry: { ...entry, head, n, unread }, readN: n - unread });
  }

  /** An event of the log, from the server or acked to us (then `n` may be 0: not known). */
  message(message: Message): void {
    const known = this.#known.get(message.conv);
    if (known === undefined) return;
    let { entry, readN, isUnsure = false, mentions = saidBy(known.entry) } = known;
    const isSystem = message.kind.startsWith('sys.');
    const isOwn = message.from === this.#user && !isSystem;
    const isMention = message.mentions?.includes(this.#user) === true && message.seq > entry.read;
    if (message.seq > entry.head) {
      const n = message.n > 0 || isSystem ? message.n : entry.n + 1;
      const isNext = entry.read === entry.head && message.seq === entry.head + 1;
      if (readN === undefined && isNext) readN = isSystem ? n : n - 1;
      entry = {
        ...entry,
        head: message.seq,
        n,
        ts: message.ts,
        preview: isSystem ? entry.preview : preview(message),
      };
      if (isMention) mentions = { ...mentions, seqs: [...mentions.seqs, message.seq].slice(-MENTIONS_MAX) };
    }
    if (isOwn && message.seq > entry.read) {
      entry = { ...entry, read: message.seq };
      isUnsure = message.n === 0 && message.seq < entry.head;
      if (message.n > 0) readN = message.n;
      else if (!isUnsure) readN = undefined;
    }
    if (entry !== known.entry) this.#moved({ entry, readN, isUnsure, mentions });
    this.placed(message);
  }

  /** An event of the log, from wherever: the number of messages up to it may be what was not known of the cursor. */
  placed({ conv, seq, n }: Message): void {
    const known = this.#known.get(conv);
    if (known === undefined || n === 0 || seq !== known.entry.read || n === known.readN) return;
    this.#moved({ ...known, readN: n, isUnsure: false });
  }

  #moved(known: Known): void {
    const { entry, readN, isUnsure = false } = known;
    const unread = readN === undefined ? 0 : Math.max(0, entry.n - readN);
    this.#set({ ...known, entry: { ...entry, unread } });
    if (isUnsure) this.#places.add(entry.conv);
  }

  /** The user has read up to `seq`, with `n` messages up to it (undefined: not known). False if that is no news. */
  read(conv: string, seq: number, n: number | undefined): boolean {
    const known = this.#known.get(conv);
    if (known === undefined || known.entry.removed !== undefined) return false;
    const { entry } = known;
    const read = Math.min(seq, entry.head);
    if (read <= entry.read) return false;
    const readN = read === entry.head ? entry.n : (n ?? known.readN);
    const isUnsure = read < entry.head && n === undefined;
    this.#moved({ ...known, entry: { ...entry, read }, readN, isUnsure });
    return true;
  }

  #set({ entry, mentions = saidBy(entry), ...rest }: Known): void {
    const { conv } = entry;
    const left = Math.min(mentionsBehind(mentions, entry.read), entry.unread);
    const known = { ...rest, mentions, entry: { ...entry, mentions: left === 0 ? undefined : left } };
    this.#known.set(conv, known);
    if (this.#known.size > this.#options.conversationsMax) this.#forgetOldest();
    this.#options.changed(known.entry);
  }

  #forgetOldest(): void {
    let oldest: Entry | undefined;
    for (const { entry } of this.#known.values())
      if (oldest === undefined || entry.ts < oldest.ts) oldest = entry;
    if (oldest !== undefined) this.#known.delete(oldest.conv);
  }
}

/** Of `n` messages up to `head`, with `readN` up to `read`; where that is not known, it is as said. */
function unreadOf(read: number, readN: number | undefined, head: number, n: number, said: number): number {
  if (read >= head) return 0;
  return readN === undefined ? said : Math.max(0, n - readN);
}

function saidBy({ mentions, head }: Entry): Mentions {
  return { said: mentions ?? 0, upTo: head, seqs: [] };
}

/** Of those said, how many are left is not known while the cursor is among them; an entry follows that says so. */
function mentionsBehind({ said, upTo, seqs }: Mentions, read: number): number {
  return (read < upTo ? said : 0) + seqs.filter((seq) => seq > read).length;
}

const EMPTY = {
  kind: 'direct',
  title: undefined,
  peer: undefined,
  role: 'member',
  removed: undefined,
  head: 0,
  n: 0,
  ts: 0,
  read: 0,
  unread: 0,
  preview: undefined,
  mentions: undefined,
} as const;

function preview(message: Message): Entry['preview'] {
  const text = typeof message.body === 'string' ? message.body.slice(0, LIMITS.previewCharsMax) : '';
  return { seq: message.seq, from: message.from, kind: message.kind, text };
}
