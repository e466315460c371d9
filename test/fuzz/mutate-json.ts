/** Mutations of the JSON form: of its values, then of its text. */
import { encodeClient } from '../../src/protocol/client-codec.ts';
import { CLIENT_FRAMES, type ClientFrame, LATER_FRAMES, SERVER_FRAMES } from '../../src/protocol/frames.ts';
import type { Random } from './random.ts';

const NAMES = [
  ...Object.keys({ ...CLIENT_FRAMES, ...LATER_FRAMES, ...SERVER_FRAMES }),
  '',
  '__proto__',
  'toString',
  'constructor',
  'x'.repeat(500),
];

/** JSON texts to stand where a value stood. */
const VALUES: readonly string[] = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '1.5',
  '1e400',
  '-0',
  '2147483648',
  '9007199254740993',
  '1e15',
  '""',
  '"x"',
  '[]',
  '{}',
  '[[]]',
  '[[[[[[[[[[]]]]]]]]]]',
  '{"b64":"AA=="}',
  '{"b64":"AA"}',
  '{"b64":"A-_="}',
  '{"b64":"AB=="}',
  '{"b64":"A A="}',
  '{"b64":1}',
  '{"b64":"","x":1}',
  '"\\ud800"',
  '"a\\udc00b"',
  '"\\u0000"',
  '"sys.created"',
  '"00000000-0000-4000-8000-000000000000"',
  '"00000000-0000-4000-8000-00000000000G"',
  '"ABCDEF00-0000-4000-8000-000000000000"',
  '{"__proto__":{"b64":"AA=="}}',
  '{"constructor":1}',
];

/** Fields to be added, as JSON text. */
const FIELDS: readonly string[] = [
  '"__proto__":{"polluted":1}',
  '"constructor":{"prototype":{}}',
  '"id":1',
  '"id":"1"',
  '"t":"ping"',
  '"conv":null',
  '"":0',
  '"unknown":[1]',
  '"Body":"x"',
];

export function mutateJson(random: Random, frame: ClientFrame, other: ClientFrame): [Uint8Array, string] {
  const text = encodeClient(frame, 'json') as string;
  switch (random.below(12)) {
    case 0:
      return [utf8(text), 'none'];
    case 1:
    case 2:
    case 3:
      return [utf8(withValue(random, text)), 'value replaced'];
    case 4:
      return [utf8(text.replace('{', `{${random.pick(FIELDS)},`)), 'field added in front'];
    case 5:
      return [utf8(text.replace(/\}$/, `,${random.pick(FIELDS)}}`)), 'field added behind'];
    case 6:
      return [
        utf8(text.replace(/"t":"[a-z]*"/, `"t":${JSON.stringify(random.pick(NAMES))}`)),
        'type swapped',
      ];
    case 7:
      return [utf8(text.slice(0, random.below(text.length))), 'truncated'];
    case 8: {
      const rest = encodeClient(other, 'json') as string;
      return [
        utf8(text.slice(0, random.below(text.length)) + rest.slice(random.below(rest.length))),
        'spliced',
      ];
    }
    case 9: {
      const depth = random.pick([10, 1_000, 30_000]);
      const open = random.pick(['[', '{"a":']);
      const close = random.below(2) === 0 ? '0' + (open === '[' ? ']' : '}').repeat(depth) : '';
      return [utf8(text.replace(/\}$/, `,"x":${open.repeat(depth)}${close}}`)), 'nested'];
    }
    default:
      return [withBytes(random, utf8(text)), 'bytes changed'];
  }
}

/** One of the object's values, at any depth, becomes another. */
function withValue(random: Random, text: string): string {
  const values = [...text.matchAll(/[:,[]("(?:[^"\\]|\\.)*"|-?\d+|true|false|\[|\{)/g)];
  if (values.length === 0) return random.pick(VALUES);
  const match = random.pick(values);
  const value = match[1] as string;
  const at = match.index + 1;
  const end = value === '[' || value === '{' ? closing(text, at) : at + value.length;
  return text.slice(0, at) + random.pick(VALUES) + text.slice(end);
}

/** Behind the bracket that closes the one at `at`. */
function closing(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if (text[i] === '[' || text[i] === '{') depth++;
    else if (text[i] === ']' || text[i] === '}') depth--;
    if (depth === 0) return i + 1;
  }
  return text.length;
}

function withBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  for (let i = 1 + random.below(4); i > 0; i--) {
    out[random.below(out.length)] = random.pick([
      0x00,
      0x22,
      0x2c,
      0x3a,
      0x5b,
      0x5c,
      0x7d,
      0x80,
      0xc3,
      0xed,
      0xff,
      random.below(256),
    ]);
  }
  return out;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
