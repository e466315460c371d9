import * as zlib from 'node:zlib';

/** CRC-32 (IEEE 802.3), by zlib where this Node has it (from 20.15). */
export const crc32: (bytes: Uint8Array) => number =
  typeof (zlib as { crc32?: unknown }).crc32 === 'function' ? nativeCrc32 : tableCrc32;

function nativeCrc32(bytes: Uint8Array): number {
  return (zlib as unknown as { crc32(bytes: Uint8Array): number }).crc32(bytes);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Exported for the test that compares the two. */
export function tableCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
