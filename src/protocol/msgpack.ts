/** The array form of frames: byte 0 is the type, then one msgpack array of the fields in table order. */
import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import type { Entry } from '../core/entry.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import {
  type Ack,
  type ConversationEvent,
  type Message,
  NESTED,
  type Page,
  SERVER_FRAMES,
  type ServerFrame,
} from './frames.ts';

// Plain msgpack: no records, no extensions. Map keys named __proto__ are renamed by the decoder.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** A frame's type and fields. Trailing absent fields are left out, others are nil. */
export function packFrame(type: number, values: readonly unknown[]): Uint8Array {
  let length = values.length;
  while (length > 0 && (values[length - 1] === undefined || values[length - 1] === null)) length--;
  const frame = packr.pack(values.slice(0, length).map(packable), RESERVE_START_SPACE | 1);
  frame[0] = type;
  return frame;
}

/** The array behind the type byte; whoever distrusts the bytes has scanned them. Throws on what is no msgpack. */
export function unpackFields(frame: Uint8Array): unknown[] {
  const values: unknown = packr.unpack(frame.subarray(1)); // a view of its own: the decoder adds a property to it
  if (!Array.isArray(values)) throw new TypeError('a frame must be a msgpack array');
  return values;
}

/** A map of what is there, for behind a frame with a fixed header. */
export function packExtras(extras: Readonly<Record<string, unknown>>): Uint8Array {
  return packr.pack(extras);
}

/** The map that `packExtras` made, or one that was scanned. */
export function unpackExtras(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  return packr.unpack(bytes) as Readonly<Record<string, unknown>>;
}

/** The values of an object's fields, in their order. */
export function toFields(value: object, fields: readonly string[]): unknown[] {
  const record = value as Record<string, unknown>;
  return fields.map((field) => record[field]);
}

/** The object that an array stands for. Absent fields and those beyond the known ones are left out. */
export function fromFields(values: readonly unknown[], fields: readonly string[]): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (let i = 0; i < fields.length && i < values.length; i++) {
    if (values[i] !== null && values[i] !== undefined) record[fields[i] as string] = values[i];
  }
  return record;
}

/** The values of a server frame that is an array, `page` excepted: nested objects as arrays, codes as numbers. */
export function serverFields(frame: Exclude<ServerFrame, Ack | Message | Page>): unknown[] {
  switch (frame.t) {
    case 'welcome':
      return toFields(
        {
          ...frame,
          limits: toFields(frame.limits, NESTED.limits),
          conversations: frame.conversations.map(entryToFields),
          prefs: toFields(frame.prefs, NESTED.prefs),
        },
        SERVER_FRAMES.welcome.fields,
      );
    case 'conversations': {
      const conversations = frame.conversations.map(entryToFields);
      return toFields({ ...frame, conversations }, SERVER_FRAMES.conversations.fields);
    }
    case 'conversation':
      return entryToFields(frame);
    case 'error':
      return toFields({ ...frame, code: ERRORS[frame.code].number }, SERVER_FRAMES.error.fields);
    default:
      return toFields(frame, SERVER_FRAMES[frame.t].fields);
  }
}

/** An entry as an array in the order of `conversation`, its preview one in the order of NESTED. */
function entryToFields(entry: Entry | ConversationEvent): unknown[] {
  const { preview } = entry;
  const nested = preview === undefined ? entry : { ...entry, preview: toFields(preview, NESTED.preview) };
  const fields = toFields(nested, SERVER_FRAMES.conversation.fields);
  let end = fields.length; // most have nothing at their end
  while (end > 0 && fields[end - 1] === undefined) end--;
  return fields.slice(0, end);
}

export function entryFromFields(values: readonly unknown[]): Record<string, unknown> {
  const entry = fromFields(values, SERVER_FRAMES.conversation.fields);
  if (Array.isArray(entry.preview)) entry.preview = fromFields(entry.preview, NESTED.preview);
  return entry;
}

const CODES = new Map<unknown, ErrorCode>(
  Object.entries(ERRORS).map(([code, info]) => [info.number, code as ErrorCode]),
);

/** A number of a later protocol reads as `internal`: `retryable` says what to do about it. */
export function errorCode(number: unknown): ErrorCode {
  return CODES.get(number) ?? 'internal';
}

/** Absent as nil; integers over 32 bits as integers too, where the packer by itself would write floats. */
function packable(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'number' && value > 0xffff_ffff && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(packable);
  return value;
}
