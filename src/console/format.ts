import type { Entry } from '../core/entry.ts';
import { hashText } from '../core/hash.ts';
import type { Message, PresenceEvent } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const DATE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const LONG_DATE = new Intl.DateTimeFormat(undefined, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
});
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export function timeOf(ts: number): string {
  return TIME.format(ts);
}

export function fullTimeOf(ts: number): string {
  return FULL.format(ts);
}

/** Local days between two times. */
export function daysBetween(ts: number, now: number): number {
  return Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(ts).setHours(0, 0, 0, 0)) / 86_400_000);
}

export function dayOf(ts: number, now: number): string {
  const days = daysBetween(ts, now);
  if (days === 0) return 'Today';
  return days === 1 ? 'Yesterday' : LONG_DATE.format(ts);
}

/** Short, for a list: the time today, the weekday this week, else the date. */
export function whenOf(ts: number, now: number): string {
  const days = daysBetween(ts, now);
  if (days <= 0) return TIME.format(ts);
  return days < 7 ? WEEKDAY.format(ts) : DATE.format(ts);
}

/** Below the name of somebody: whether they are there, or when they last were; '' if that is not known. */
export function presenceText(presence: PresenceEvent | undefined, now: number): string {
  if (presence?.online === true) return 'Online';
  return presence?.lastSeen === undefined ? '' : `Last seen ${whenOf(presence.lastSeen, now)}`;
}

export function nameOf(entry: Entry): string {
  return entry.title ?? entry.peer ?? 'Group';
}

/** What stands below a conversation's name in the list. */
export function previewOf(entry: Entry, user: string): string {
  const { preview } = entry;
  if (preview === undefined) return entry.kind === 'direct' ? 'No messages yet' : 'New group';
  const text = preview.text.replaceAll(/\s+/g, ' ').trim() || `(${preview.kind})`;
  if (preview.from === user) return `You: ${text}`;
  return entry.kind === 'direct' ? text : `${preview.from}: ${text}`;
}

/** One or two letters for an avatar. */
export function initialsOf(name: string): string {
  const words = name.split(/[\s._@:,-]+/).filter((word) => word !== '');
  const letters =
    words.length > 1 ? words.slice(0, 2).map((word) => firstLetter(word)) : [firstLetter(words[0] ?? '?')];
  return letters.join('').toUpperCase();
}

function firstLetter(word: string): string {
  return String.fromCodePoint(word.codePointAt(0) ?? 63);
}

/** One of eight colours that goes with a name. */
export function hueOf(name: string): number {
  return Math.imul(hashText(name), 0x9e3779b1) >>> 29;
}

/** The text of an event of the server's own: who did what; '' for one that is not worth a line. */
export function systemText(message: Message): string {
  const body = parseBody(message);
  if (message.kind === 'sys.created') {
    const title = typeof body.title === 'string' ? ` “${body.title}”` : '';
    const others = pairs(body.members).filter((user) => user !== message.from);
    return `${message.from} created the group${title}${others.length > 0 ? ` with ${listOf(others)}` : ''}`;
  }
  if (message.kind !== 'sys.members') return '';
  if (Array.isArray(body.add)) return `${message.from} added ${listOf(body.add.map(String))}`;
  if (Array.isArray(body.remove)) return `${message.from} removed ${listOf(body.remove.map(String))}`;
  if (body.leave !== undefined) return `${message.from} left`;
  if (Array.isArray(body.role)) return `${message.from} changed roles: ${listOf(body.role.map(roleText))}`;
  return '';
}

function parseBody(message: Message): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(String(message.body));
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {}; // shown as one that is not worth a line
  }
}

function pairs(value: unknown): string[] {
  return Array.isArray(value)
    ? value.map((pair: unknown) => String(Array.isArray(pair) ? pair[0] : pair))
    : [];
}

function roleText(pair: unknown): string {
  return Array.isArray(pair) ? `${String(pair[0])} is ${String(pair[1])}` : '';
}

export function listOf(names: readonly string[]): string {
  if (names.length <= 2) return names.join(' and ');
  const shown = names.slice(0, 5);
  const rest = names.length - shown.length;
  return rest > 0
    ? `${shown.join(', ')} and ${rest} more`
    : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

const MENTION = /(?<![^\s(])@([A-Za-z0-9._@:-]{1,64})/g;

/** The names that a text calls by `@`, each once; whether they are members is the server's to say. */
export function mentionsIn(text: string): string[] {
  const names = [...text.matchAll(MENTION)].map((match) => (match[1] as string).replace(/[.:-]+$/, ''));
  return [...new Set(names)].filter((name) => name !== '').slice(0, LIMITS.mentionsMax);
}

/** Text cut at its web addresses. */
export function linkParts(text: string): readonly { readonly text: string; readonly isLink: boolean }[] {
  const parts: { text: string; isLink: boolean }[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    if (match.index > at) parts.push({ text: text.slice(at, match.index), isLink: false });
    parts.push({ text: match[0], isLink: URL.canParse(match[0]) });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ text: text.slice(at), isLink: false });
  return parts;
}
