import { Packr } from 'msgpackr';

/** What is read does not hold on to the whole message that it came in. */
const PACKR = new Packr({ useRecords: false, copyBuffers: true });

/** A msgpack array: what nodes tell one another in bus messages of their own. */
export function packArray(values: readonly unknown[]): Uint8Array {
  return PACKR.pack(values);
}

/** undefined: it is none; another version may have sent it. */
export function unpackArray(bytes: Uint8Array): readonly unknown[] | undefined {
  let value: unknown;
  try {
    value = PACKR.unpack(bytes);
  } catch {
    return undefined; // no msgpack
  }
  return Array.isArray(value) ? (value as unknown[]) : undefined;
}
