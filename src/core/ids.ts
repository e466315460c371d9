/** A conversation's id: a UUID in its canonical lower-case text form. */
export type ConversationId = string;
/** 1–64 characters of `A-Z a-z 0-9 . _ @ : -`. */
export type UserId = string;
/** Same alphabet as a user. A device is only ever meaningful together with its user. */
export type DeviceId = string;
/** The id of one term of a node's life: a fresh UUID at each start. */
export type NodeId = string;
/** An event's place in its conversation: 1, 2, 3 …; 0 stands for "nothing yet". */
export type Seq = number;

const NAME = /^[A-Za-z0-9._@:-]{1,64}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether `text` can name a user or a device. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** Whether `text` is a UUID in lower case, of any version. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The version nibble of a UUID's text (4, 7, …). */
export function uuidVersion(uuid: string): number {
  return Number.parseInt(uuid.charAt(14), 16);
}

/** The Unix milliseconds inside a UUIDv7, or undefined for every other version. */
export function uuidV7Time(uuid: string): number | undefined {
  if (uuid.charCodeAt(14) !== 0x37) return undefined;
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}

/** The character codes of a byte's two hexadecimal digits. */
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => (byte >> 4).toString(16).charCodeAt(0));
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => (byte & 15).toString(16).charCodeAt(0));

/** The text form of the 16 bytes at `offset`. */
export function uuidFromBytes(bytes: Uint8Array, offset: number): string {
  const [b, o] = [bytes, offset];
  // One call that makes a flat string: much faster than concatenation, and so are maps keyed by it.
  // biome-ignore format: two bytes a line
  return String.fromCharCode(
    high(b, o), low(b, o), high(b, o + 1), low(b, o + 1),
    high(b, o + 2), low(b, o + 2), high(b, o + 3), low(b, o + 3), DASH,
    high(b, o + 4), low(b, o + 4), high(b, o + 5), low(b, o + 5), DASH,
    high(b, o + 6), low(b, o + 6), high(b, o + 7), low(b, o + 7), DASH,
    high(b, o + 8), low(b, o + 8), high(b, o + 9), low(b, o + 9), DASH,
    high(b, o + 10), low(b, o + 10), high(b, o + 11), low(b, o + 11),
    high(b, o + 12), low(b, o + 12), high(b, o + 13), low(b, o + 13),
    high(b, o + 14), low(b, o + 14), high(b, o + 15), low(b, o + 15),
  );
}

const DASH = 0x2d;
const high = (bytes: Uint8Array, at: number): number => HIGH[bytes[at] as number] as number;
const low = (bytes: Uint8Array, at: number): number => LOW[bytes[at] as number] as number;

/** Where the two digits of each byte stand in the text. */
const DIGITS_AT = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);

/** Writes a UUID's 16 bytes at `offset`; the text must have passed `isUuid`. */
export function uuidToBytes(uuid: string, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < 16; i++) {
    const at = DIGITS_AT[i] as number;
    bytes[offset + i] = (nibble(uuid.charCodeAt(at)) << 4) | nibble(uuid.charCodeAt(at + 1));
  }
}

/** Of `0`–`9` (0x30 …) or `a`–`f` (0x61 …), without a branch. */
function nibble(charCode: number): number {
  return (charCode & 15) + 9 * (charCode >> 6);
}

/** A UUIDv7 for `now` (Unix ms); `random` supplies at least 10 random bytes. */
export function uuidV7(now: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) & 0xff;
  for (let i = 6; i < 16; i++) bytes[i] = random[i - 6] as number;
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return uuidFromBytes(bytes, 0);
}
