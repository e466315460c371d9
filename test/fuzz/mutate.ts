/**
 * Seeded mutants of valid client frames, for driving the codec or a live server with hostile bytes. The same
 * seed yields the same mutants in the same order, so a finding is replayed from (seed, index).
 */
import { encodeClient } from '../../src/protocol/client-codec.ts';
import { CLIENT_FRAMES, LATER_FRAMES, SERVER_FRAMES, type Subprotocol } from '../../src/protocol/frames.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { validFrames } from './frames.ts';
import { mutateJson } from './mutate-json.ts';
import { Random } from './random.ts';

export interface Mutant {
  readonly bytes: Uint8Array;
  /** The WebSocket opcode; sometimes the wrong one for the subprotocol. */
  readonly isBinary: boolean;
  readonly subprotocol: Subprotocol;
  /** What was done to the frame, for reports. */
  readonly how: string;
}

type Mutation = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const TYPES = [
  ...Object.values({ ...CLIENT_FRAMES, ...SERVER_FRAMES }).map((spec) => spec.type),
  ...Object.values(LATER_FRAMES),
];

/** msgpack that nobody should decode: extensions (those of the decoder's own first), reserved bytes, floats. */
const SNIPPETS: readonly (readonly number[])[] = [
  [0xd4, 0x72, 0x40, 0x92, 0xa1, 0x61, 0xa1, 0x62, 0x01, 0x02], // a record definition
  [0xd5, 0x72, 0x40, 0x01, 0x91, 0xa1, 0x61, 0x01],
  [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1], // an array that holds itself
  [0xd6, 0x70, 0, 0, 0, 1],
  [0xd6, 0x62, 0, 0, 0, 8, 0xc1, 0x01], // bundled strings
  [0xd6, 0xff, 0, 0, 0, 0], // a timestamp
  [0xc7, 0x0c, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  [0xc7, 0x05, 0x78, 0x61, 0x61, 0x61, 0x61, 0x61], // a regular expression
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x74],
  [0xd4, 0x65, 0x93, 0xa5, 0x45, 0x72, 0x72, 0x6f, 0x72, 0xa0, 0xa0], // an Error
  [0xd4, 0x42, 0x00], // a bigint
  [0xc1],
  [0xc0],
  [0x80],
  [0x81, 0xa9, ...new TextEncoder().encode('__proto__'), 0x81, 0xa1, 0x61, 0x01],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], // NaN
  [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], // 1.5
  [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], // infinity
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xff],
  [0xa2, 0xc3, 0x28], // a string of invalid UTF-8
  [0xa3, 0xed, 0xa0, 0x80], // one of a lone surrogate
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xc6, 0x7f, 0xff, 0xff, 0xff],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdd, 0x00, 0x01, 0x00, 0x00],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xdc, 0x08, 0x01],
];

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  none: (_random, bytes) => bytes,
  'bits flipped': (random, bytes) => {
    const out = bytes.slice();
    for (let i = 1 + random.below(8); i > 0 && out.length > 0; i--) {
      const at = random.below(out.length);
      out[at] = (out[at] as number) ^ (1 << random.below(8));
    }
    return out;
  },
  'byte replaced': (random, bytes) => {
    const out = bytes.slice();
    if (out.length > 0)
      out[random.below(out.length)] = random.pick([0, 1, 0x7f, 0x80, 0xc1, 0xd4, 0xdd, 0xff]);
    return out;
  },
  truncated: (random, bytes) => bytes.slice(0, random.below(bytes.length + 1)),
  'tail appended': (random, bytes) => concat(bytes, random.bytes(1 + random.below(16))),
  spliced: (random, bytes, other) => {
    return concat(
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(random.below(other.length + 1)),
    );
  },
  'slice doubled': (random, bytes) => {
    const from = random.below(bytes.length + 1);
    const to = from + random.below(bytes.length - from + 1);
    return concat(bytes.subarray(0, to), bytes.subarray(from));
  },
  'type swapped': (random, bytes) => {
    const out = bytes.slice();
    out[0] = random.below(4) === 0 ? random.below(256) : random.pick(TYPES);
    return out;
  },
  'length lied': (random, bytes) => {
    const out = bytes.slice();
    const at = random.below(2) === 0 ? 40 : random.below(Math.max(1, out.length - 3)); // 40: body bytes of a send
    const lie = random.pick([
      [0, 0, 0, 0],
      [0xff, 0xff, 0xff, 0xff],
      [0, 0, 0x40, 0x01],
      [0x7f, 0xff, 0xff, 0xff],
      [0, 0, 0, 1],
    ]);
    out.set(lie.slice(0, Math.max(0, out.length - at)), Math.min(at, out.length));
    return out;
  },
  'header bytes changed': (random, bytes) => {
    const out = bytes.slice();
    if (out.length > 8) out[1 + random.below(7)] = random.below(256);
    return out;
  },
  'snippet put in': (random, bytes) => {
    const at = random.below(bytes.length + 1);
    const rest = at + random.below(Math.min(8, bytes.length - at) + 1);
    return concat(bytes.subarray(0, at), Uint8Array.from(random.pick(SNIPPETS)), bytes.subarray(rest));
  },
  'arrays nested': (random, bytes) => {
    const depth = random.pick([7, 8, 9, 100, 5_000]);
    return concat(
      bytes.subarray(0, 1),
      new Uint8Array(depth).fill(random.pick([0x91, 0x81, 0x9f])),
      bytes.subarray(1),
    );
  },
  'long list': (random, bytes) => {
    const count = random.pick([257, 500, 501, 2_047, 2_048, 2_049, 40_000]);
    const list = new Uint8Array(3 + count).fill(random.pick([0x00, 0xc0, 0x90, 0xa0]));
    list.set([0xdc, count >> 8, count & 0xff]);
    return concat(
      bytes.subarray(0, 1),
      random.below(2) === 0 ? list : concat(Uint8Array.of(0x92, 0x01), list),
    );
  },
  'random bytes': (random) => random.bytes(random.below(100)),
};

const BINARY_MUTATIONS = Object.keys(MUTATIONS);

/** Endless. About one in 500 is over the frame limit, one in 40 of the wrong opcode. */
export function* mutants(seed: number): Generator<Mutant, never, undefined> {
  const random = new Random(seed);
  for (;;) {
    const frames = validFrames(random);
    for (let i = 0; i < frames.length; i++) {
      const subprotocol: Subprotocol = random.below(2) === 0 ? 'binary' : 'json';
      const [frame, other] = [random.pick(frames), random.pick(frames)];
      const [bytes, how] =
        subprotocol === 'binary'
          ? mutateBinary(random, encoded(frame, 'binary'), encoded(other, 'binary'))
          : mutateJson(random, frame, other);
      const rightOpcode = random.below(40) !== 0;
      yield {
        bytes: random.below(500) === 0 ? oversized(bytes, subprotocol) : bytes,
        isBinary: (subprotocol === 'binary') === rightOpcode,
        subprotocol,
        how,
      };
    }
  }
}

function mutateBinary(random: Random, bytes: Uint8Array, other: Uint8Array): [Uint8Array, string] {
  const names: string[] = [];
  let out = bytes;
  for (let i = 1 + random.below(3); i > 0; i--) {
    const name = random.pick(BINARY_MUTATIONS);
    names.push(name);
    out = (MUTATIONS[name] as Mutation)(random, out, other);
  }
  return [out, names.join(', ')];
}

function encoded(frame: Parameters<typeof encodeClient>[0], subprotocol: Subprotocol): Uint8Array {
  const data = encodeClient(frame, subprotocol);
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

function oversized(bytes: Uint8Array, subprotocol: Subprotocol): Uint8Array {
  const bytesMax = subprotocol === 'binary' ? LIMITS.binaryFrameBytesMax : LIMITS.jsonFrameBytesMax;
  const out = new Uint8Array(bytesMax + 1 + bytes.length).fill(0x20);
  out.set(bytes);
  return out;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
