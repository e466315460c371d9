/** docs/protocol.md against the code, both ways: what either has and the other lacks is a failure. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { CLOSES, ERRORS } from '../../../src/core/errors.ts';
import { decodeServer, encodeClient } from '../../../src/protocol/client-codec.ts';
import {
  type ClientFrame,
  CLIENT_FRAMES,
  LATER_FRAMES,
  NESTED,
  SERVER_FRAMES,
  type ServerFrame,
  SUBPROTOCOLS,
} from '../../../src/protocol/frames.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { decodeClient } from '../../../src/protocol/server-codec.ts';
import { FIELD_RULES } from '../../../src/protocol/validate.ts';
import { asClientFrame, encodeAny, utf8 } from './support.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** The text below a heading (its `#`s included), up to the next one of the same or a higher level. */
function section(heading: string): string {
  const level = heading.indexOf(' ');
  const from = DOCUMENT.indexOf(`\n${heading}`);
  assert.notEqual(from, -1, `docs/protocol.md has no heading "${heading}"`);
  const rest = DOCUMENT.slice(from + heading.length + 1);
  const end = rest.search(new RegExp(`\\n#{1,${level}} `));
  return end === -1 ? rest : rest.slice(0, end);
}

/** The rows of a text's first table, cells without backquotes. */
function table(text: string): string[][] {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.startsWith('|---'));
  assert.notEqual(first, -1, 'a table is missing');
  const rows: string[][] = [];
  for (const line of lines.slice(first + 1)) {
    if (!line.startsWith('|')) break;
    const cells = line.split(/(?<!\\)\|/).slice(1, -1);
    rows.push(
      cells.map((cell) =>
        cell
          .trim()
          .replaceAll('\\|', '|')
          .replace(/^`([^`]*)`$/, '$1'),
      ),
    );
  }
  return rows;
}

/** Frame headings of a section: "### `name` 0x00". */
function frameHeadings(text: string): [string, number][] {
  return [...text.matchAll(/^### `(\w+)` 0x([0-9a-f]{2})$/gm)].map((match) => [
    match[1] as string,
    Number.parseInt(match[2] as string, 16),
  ]);
}

const CLIENT_SECTION = '## 4. Frames that clients send';
const SERVER_SECTION = '## 5. Frames that the server sends';

function frameTable(sectionHeading: string, t: string, type: number): string[][] {
  const text = section(sectionHeading);
  const heading = `### \`${t}\` 0x${type.toString(16).padStart(2, '0')}`;
  const rest = text.slice(text.indexOf(heading) + heading.length);
  const end = rest.indexOf('\n### ');
  return table(end === -1 ? rest : rest.slice(0, end));
}

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];
/** The compiler checks that these are all required fields of the type, and no others. */
const REQUIRED: {
  readonly [T in ServerFrame['t']]: Record<Exclude<RequiredKeys<Extract<ServerFrame, { t: T }>>, 't'>, true>;
} = {
  welcome: {
    user: true,
    device: true,
    session: true,
    now: true,
    limits: true,
    cursor: true,
    conversations: true,
    more: true,
    badge: true,
    prefs: true,
  },
  ok: { id: true },
  conversations: { id: true, conversations: true, more: true },
  created: { id: true, conv: true },
  page: { id: true, conv: true, head: true, messages: true, more: true },
  receipts: { id: true, conv: true, items: true, more: true },
  pong: { id: true, now: true },
  error: { code: true, message: true, retryable: true },
  ack: { id: true, conv: true, cmid: true, seq: true, ts: true },
  message: { conv: true, seq: true, n: true, ts: true, from: true, device: true, kind: true, body: true },
  head: { conv: true, seq: true, n: true },
  conversation: { conv: true },
  reset: { conv: true },
  receipt: { conv: true, items: true },
  typing: { conv: true, user: true, on: true },
  presence: { user: true, online: true },
  prefs: { receipts: true, presence: true },
  bye: { code: true, reason: true, reconnect: true },
};

test('the document has the client frames of the code, with their types', () => {
  const ours = Object.entries(CLIENT_FRAMES).map(([t, spec]) => [t, spec.type]);
  assert.deepEqual(frameHeadings(section(CLIENT_SECTION)), ours);
});

test('the document has the server frames of the code, with their types', () => {
  const ours = Object.entries(SERVER_FRAMES).map(([t, spec]) => [t, spec.type]);
  assert.deepEqual(frameHeadings(section(SERVER_SECTION)), ours);
});

for (const [t, spec] of Object.entries(CLIENT_FRAMES)) {
  test(`fields of ${t}: order, presence and bounds are those of the code`, () => {
    const rules = FIELD_RULES[t as ClientFrame['t']];
    assert.deepEqual(Object.keys(rules), [...spec.fields]);
    const ours = Object.entries(rules).map(([field, rule]) => [
      field,
      rule.optional === true ? 'optional' : 'required',
      rule.expected,
    ]);
    assert.deepEqual(frameTable(CLIENT_SECTION, t, spec.type), ours);
  });
}

for (const [t, spec] of Object.entries(SERVER_FRAMES)) {
  test(`fields of the server's ${t}: order and presence are those of the code`, () => {
    const required = REQUIRED[t as ServerFrame['t']];
    const ours = spec.fields.map((field) => [
      field,
      Object.hasOwn(required, field) ? 'required' : 'optional',
    ]);
    assert.deepEqual(
      frameTable(SERVER_SECTION, t, spec.type).map((row) => row.slice(0, 2)),
      ours,
    );
  });
}

test('nested objects have the fields of the code, in order', () => {
  const text = section('### Nested objects');
  for (const [name, fields] of Object.entries(NESTED)) {
    const rows = table(text.slice(text.indexOf(`\`${name}\`, in this order`)));
    assert.deepEqual(
      rows.map((row) => row[0]),
      [...fields],
      name,
    );
  }
});

test('frames of later versions are those of the code', () => {
  const ours = Object.entries(LATER_FRAMES).map(([t, type]) => [t, `0x${type.toString(16)}`]);
  assert.deepEqual(table(section('### 2.3 Later versions')), ours);
});

test('subprotocols are those of the code', () => {
  const rows = table(section('## 1. Connecting')).map((row) => [row[1], row[0]]);
  assert.deepEqual(Object.fromEntries(rows), SUBPROTOCOLS);
});

test('the error table is that of the code', () => {
  const ours = Object.entries(ERRORS).map(([code, info]) => [
    code,
    String(info.number),
    info.retryable ? 'yes' : 'no',
    info.advice,
  ]);
  assert.deepEqual(table(section('## 6. Errors')), ours);
});

test('the close codes are those of the code', () => {
  const ours = Object.entries(CLOSES).map(([reason, info]) => [
    reason,
    String(info.code),
    info.reconnect ? 'yes' : 'no',
    info.advice,
  ]);
  assert.deepEqual(table(section('## 7. Close codes')), ours);
});

test('the limits are those of the code', () => {
  const rows = table(section('## 8. Limits')).map((row) => row.slice(0, 2));
  assert.deepEqual(
    rows,
    Object.entries(LIMITS).map(([name, value]) => [name, String(value)]),
  );
});

test('numbers in the prose are those of the code', () => {
  const prose: [string, number][] = [
    ['up to (\\d+) bytes\\. `t` is its name', LIMITS.jsonFrameBytesMax],
    ['may be left out\\. Up to (\\d+) bytes', LIMITS.binaryFrameBytesMax],
    ['nested up to (\\d+) deep', LIMITS.msgpackDepthMax],
    ['up to (\\d+) values in all', LIMITS.msgpackItemsMax],
    ['A body has up to (\\d+) bytes', LIMITS.bodyBytesMax],
    ['an integer from 1 to (\\d+), unique', LIMITS.requestIdMax],
    ['as far as (\\d+) entries go', LIMITS.welcomeEntriesMax],
    ['up to \\d+ and (\\d+) bytes', LIMITS.welcomeBytesMax],
    ['to about (\\d+) bytes', LIMITS.pageBytesMax],
    ['up to (\\d+) pairs', LIMITS.havePairsMax],
    ['a pair more than (\\d+) behind', LIMITS.resetBehindMax],
    ["conversation's last (\\d+) events", LIMITS.dedupRecentMax],
    ['`limit` is (\\d+) by default', LIMITS.historyLimitDefault],
    ['`limit` of them \\(default (\\d+)\\)', LIMITS.conversationsLimitDefault],
    ['a group has up to (\\d+) members', LIMITS.groupMembersMax],
    ["text's first (\\d+) characters", LIMITS.previewCharsMax],
    ['once, within (\\d+) s', LIMITS.helloTimeoutMs / 1000],
    ['WebSocket ping every (\\d+) s', LIMITS.pingEveryMs / 1000],
    ['closes after (\\d+) s without', LIMITS.silenceMsMax / 1000],
    ['committed within (\\d+) days', LIMITS.dedupWindowMs / 86_400_000],
  ];
  for (const [pattern, value] of prose) {
    assert.equal(Number(new RegExp(pattern).exec(DOCUMENT)?.[1]), value, pattern);
  }
});

interface Example {
  readonly side: string;
  readonly json: string;
  readonly bytes: Uint8Array;
}

const EXAMPLES: readonly Example[] = [
  ...DOCUMENT.matchAll(/```json (client|server)\n(.*)\n```\n```hex\n([^`]*)```/g),
].map((match) => ({
  side: match[1] as string,
  json: match[2] as string,
  bytes: fromDump(match[3] as string),
}));

function fromDump(dump: string): Uint8Array {
  const bytes: number[] = [];
  for (const row of dump.trim().split('\n')) {
    const [offset, ...octets] = row.split(/\s+/);
    assert.equal(Number.parseInt(offset as string, 16), bytes.length, `offset of the row "${row}"`);
    bytes.push(...octets.map((octet) => Number.parseInt(octet, 16)));
  }
  return Uint8Array.from(bytes);
}

test('every frame has an example', () => {
  const named = (side: string) =>
    new Set(EXAMPLES.filter((e) => e.side === side).map((e) => JSON.parse(e.json).t));
  assert.equal(DOCUMENT.match(/```hex/g)?.length, EXAMPLES.length, 'an example that this test does not read');
  assert.deepEqual(named('client'), new Set(Object.keys(CLIENT_FRAMES)));
  assert.deepEqual(named('server'), new Set(Object.keys(SERVER_FRAMES)));
});

EXAMPLES.forEach(({ side, json, bytes }, index) => {
  test(`example ${index + 1} (${JSON.parse(json).t} of the ${side}): both forms are one frame, to the byte`, () => {
    if (side === 'client') {
      const frame = asClientFrame(decodeClient(utf8(json), false, 'json'));
      assert.deepEqual(asClientFrame(decodeClient(bytes, true, 'binary')), frame);
      assert.deepEqual(new Uint8Array(encodeClient(frame, 'binary') as Uint8Array), bytes);
      assert.equal(encodeClient(frame, 'json'), json);
    } else {
      const frame = decodeServer(json, 'json') as ServerFrame;
      assert.deepEqual(decodeServer(bytes, 'binary'), frame);
      assert.deepEqual(new Uint8Array(encodeAny(frame, 'binary')), bytes);
      assert.equal(Buffer.from(encodeAny(frame, 'json')).toString(), json);
    }
  });
});
