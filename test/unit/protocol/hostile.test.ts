/** What nobody sends by accident: every frame here is answered, none throws, none is taken. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CLIENT_FRAMES, LATER_FRAMES, SERVER_FRAMES } from '../../../src/protocol/frames.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { decodeClient } from '../../../src/protocol/server-codec.ts';
import {
  binary,
  closes,
  CMID,
  concat,
  CONV,
  hex,
  isInvalid,
  json,
  refused,
  SEND,
  sendWith,
  utf8,
} from './support.ts';

test('4100: the wrong opcode', () => {
  closes(refused(decodeClient(SEND, false, 'binary')), /takes binary messages/);
  closes(refused(decodeClient(utf8('{"t":"ping","id":1}'), true, 'json')), /takes text messages/);
});

test('4100: no JSON object', () => {
  for (const text of [
    '',
    ' ',
    '[]',
    'null',
    '"ping"',
    '1',
    'true',
    '{',
    '{"t":"ping","id":1}}',
    "{'t':1}",
    '[{"t":"ping"}]',
  ]) {
    closes(json(text), /must be a JSON object/);
  }
});

test('4100: JSON whose bytes are no UTF-8', () => {
  const frame = concat(utf8('{"t":"ping","id":1,"x":"'), hex('c328'), utf8('"}'));
  closes(refused(decodeClient(frame, false, 'json')), /must be a JSON object/);
});

test('4100: over the frame limit, by one byte; at the limit it is read', () => {
  const pad = (length: number) => utf8('{"t":"ping","id":1}'.padEnd(length));
  assert.equal(decodeClient(pad(LIMITS.jsonFrameBytesMax), false, 'json').t, 'ping');
  closes(
    refused(decodeClient(pad(LIMITS.jsonFrameBytesMax + 1), false, 'json')),
    /131073 bytes.*up to 131072/,
  );
  isInvalid(
    binary(sendWith(0, [0x10], new Uint8Array(LIMITS.binaryFrameBytesMax - SEND.length))),
    /end with the body/,
    7,
  );
  closes(binary(new Uint8Array(LIMITS.binaryFrameBytesMax + 1).fill(0x10)), /65537 bytes.*up to 65536/);
});

test('4100: binary that is empty, or has no whole msgpack array behind the type', () => {
  closes(binary(new Uint8Array(0)), /empty/);
  for (const bytes of [
    '08',
    '08 c0',
    '08 01',
    '08 81 a1 61 01',
    '08 a1 61',
    '08 91',
    '08 92 01',
    '08 91 cd 01',
    '08 91 c1',
  ]) {
    closes(binary(hex(bytes)), /ping: /);
  }
  closes(binary(hex('08 91 01 00')), /bytes follow/);
});

test('4100: lengths of msgpack that run past the end', () => {
  for (const bytes of [
    'dd ff ff ff ff',
    'dc ff ff',
    'df ff ff ff ff',
    '91 db ff ff ff ff',
    '91 c6 7f ff ff ff',
    '91 dd 00 01 00 00',
  ]) {
    closes(binary(concat(hex('08'), hex(bytes))), /cut short|must be a msgpack array/);
  }
});

test('msgpack extensions of every kind are invalid, and never reach the decoder', () => {
  const extensions = [
    'd4 72 40 90',
    'd5 72 40 01',
    'd6 70 00000001',
    'd6 69 00000001',
    'd6 62 00000008',
    'd6 ff 00000000',
    'd7 ff 0000000000000000',
  ];
  for (const extension of [
    ...extensions,
    `d8 01 ${'00'.repeat(16)}`,
    'c7 01 74 00',
    'c8 0001 78 00',
    'c9 00000001 65 00',
  ]) {
    isInvalid(binary(concat(hex('03 92 07'), hex(extension))), /extensions are not allowed/, 7);
    isInvalid(
      binary(concat(hex('07 92'), hex(extension), hex('01'))),
      /extensions are not allowed/,
      undefined,
    );
  }
});

test('S2.14 keys of maps that are no strings are invalid, wherever the map is: the decoder throws at some', () => {
  for (const key of [
    '90',
    '80',
    '91 01',
    '81 a1 61 01',
    'c0',
    'c2',
    '01',
    'cb 7ff8000000000000',
    'c4 01 61',
  ]) {
    for (const map of [`81 ${key} 01`, `82 a1 61 01 ${key} 01`, `de 0001 ${key} 01`, `81 a1 61 81 ${key} 01`])
      isInvalid(binary(hex(`03 92 07 ${map}`)), /keys of msgpack maps must be strings/, 7);
    isInvalid(binary(hex(`03 92 07 92 01 81 ${key} 01`)), /keys of msgpack maps/, 7);
  }
  isInvalid(binary(hex('03 92 07 82 a1 61 90 d9 01 62 81 a1 63 c0')), /before must be/, 7);
});

test('an array that holds itself by the pointer extension is invalid', () => {
  isInvalid(binary(hex('06 93 07 d6 69 00000001 91 d6 70 00000001 c0')), /extensions/, 7);
});

test('msgpack nested too deep is invalid, however deep', () => {
  for (const depth of [8, 100, 60_000]) {
    const frame = concat(hex('03 92 07'), new Uint8Array(depth).fill(0x91), hex('c0'));
    isInvalid(binary(frame), /nested up to 8/, 7);
  }
  isInvalid(binary(concat(hex('03 92 07'), new Uint8Array(7).fill(0x91), hex('c0'))), /before must be/, 7);
  isInvalid(binary(concat(hex('03 92 07'), repeat('81 a1 61', 20), hex('c0'))), /nested up to 8/, 7);
});

function repeat(bytes: string, times: number): Uint8Array {
  return hex(bytes.repeat(times));
}

test('too many msgpack values are invalid, at any level', () => {
  isInvalid(binary(concat(hex('03 92 07 dc 07ff'), new Uint8Array(2047))), /up to 2048 values/, 7);
  isInvalid(binary(concat(hex('03 92 07 dc 0401'), repeat('91 00', 1025))), /up to 2048 values/, 7);
  isInvalid(binary(concat(hex('03 dc 0801'), new Uint8Array(2049))), /up to 2048 values/, undefined);
});

test('an id is read from msgpack that is not decoded, in every width, and only if it is valid', () => {
  const extension = 'd4 00 00';
  for (const [id, value] of [
    ['01', 1],
    ['cc ff', 255],
    ['cd 0100', 256],
    ['ce 7fffffff', 2 ** 31 - 1],
  ] as const) {
    isInvalid(binary(hex(`03 92 ${id} ${extension}`)), /extensions/, value);
  }
  for (const id of ['00', 'ce 80000000', 'cf 0000000000000001', 'ff', 'c0', 'a1 31', 'cb 3ff0000000000000']) {
    const refusal = binary(hex(`03 92 ${id} ${extension}`));
    isInvalid(refusal, /extensions/, undefined);
    assert.equal(refusal.re, 'conversations');
  }
});

test('msgpack strings that are no UTF-8 are invalid', () => {
  for (const bytes of ['a2 c328', 'a3 eda080', 'd9 01 ff', 'a2 c080', 'a4 f4908080', 'da 0001 80']) {
    isInvalid(binary(concat(hex('02 92 07'), hex(bytes))), /must be UTF-8/, 7);
  }
});

test('__proto__ and its like as msgpack keys pollute nothing', () => {
  const map = concat(hex('81 a9'), utf8('__proto__'), hex('81 a8'), utf8('polluted'), hex('01'));
  isInvalid(binary(concat(hex('03 92 07'), map)), /before must be/, 7);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('__proto__, constructor and toString as JSON keys are unknown fields, and pollute nothing', () => {
  isInvalid(json('{"__proto__":{"polluted":1},"t":"ping","id":7}'), /ping has no field "__proto__"/, 7);
  isInvalid(
    json('{"t":"ping","id":7,"constructor":{"prototype":{"polluted":1}}}'),
    /no field "constructor"/,
    7,
  );
  isInvalid(json('{"t":"ping","__proto__":{"id":7}}'), /id is missing/, undefined);
  isInvalid(
    json(`{"t":"send","id":7,"conv":"${CONV}","cmid":"${CMID}","body":{"__proto__":{"b64":"AA=="}}}`),
    /body must be/,
    7,
  );
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('names of frames that objects inherit are no frames', () => {
  for (const t of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']) {
    const refusal = json(JSON.stringify({ t, id: 7 }));
    assert.equal(refusal.code, 'unsupported');
    assert.equal(refusal.id, 7);
  }
});

test('a name or a field sent back in an error is cut short', () => {
  const long = 'n'.repeat(100_000);
  const refusal = json(JSON.stringify({ t: long }));
  assert.equal(refusal.re, `${'n'.repeat(32)}…`);
  assert.ok(refusal.message.length < 120);
  assert.ok(json(JSON.stringify({ t: 'ping', id: 1, [long]: 1 })).message.length < 120);
});

test('t missing or no string is invalid', () => {
  for (const t of ['', '"t":null,', '"t":1,', '"t":{},', '"t":["ping"],']) {
    isInvalid(json(`{${t}"id":7}`), /t is missing/, 7);
  }
  const refusal = json(`{"conv":"${CONV}"}`);
  assert.deepEqual([refusal.re, refusal.conv], [undefined, CONV]);
});

test('frames of a later version, of the server, and unknown ones are unsupported', () => {
  for (const [t, type] of Object.entries(LATER_FRAMES)) {
    assert.deepEqual([json(`{"t":"${t}","id":7}`).code, json(`{"t":"${t}","id":7}`).id], ['unsupported', 7]);
    const withId = binary(Uint8Array.of(type, 0x91, 7));
    assert.deepEqual([withId.code, withId.id, withId.re], ['unsupported', 7, undefined]);
    const without = binary(Uint8Array.of(type, 0xc1));
    assert.deepEqual([without.code, without.id, without.re], ['unsupported', undefined, t]);
  }
  const clientNames = new Set<string>(Object.keys(CLIENT_FRAMES));
  for (const [t, spec] of Object.entries(SERVER_FRAMES)) {
    assert.equal(binary(Uint8Array.of(spec.type, 0x90)).re, `0x${spec.type.toString(16)}`);
    if (!clientNames.has(t)) assert.equal(json(`{"t":"${t}"}`).code, 'unsupported');
  }
  assert.equal(binary(Uint8Array.of(0xff)).re, '0xff');
});

test('unknown fields are invalid: in JSON by name, in binary by number', () => {
  isInvalid(json('{"t":"ping","id":7,"Id":8}'), /ping has no field "Id": its fields are id/, 7);
  isInvalid(json(`{"t":"read","conv":"${CONV}","seq":1,"id":7}`), /read has no field "id"/, 7);
  isInvalid(binary(hex('08 92 07 c0')), /ping has 2 fields: its array must hold up to 1/, 7);
});

test('null and nil are absent', () => {
  assert.deepEqual(
    decodeClient(utf8('{"t":"conversations","id":7,"before":null,"limit":null}'), false, 'json'),
    {
      t: 'conversations',
      id: 7,
    },
  );
  assert.deepEqual(decodeClient(hex('03 93 07 c0 c0'), true, 'binary'), { t: 'conversations', id: 7 });
  isInvalid(json('{"t":"ping","id":null}'), /id is missing/, undefined);
  isInvalid(binary(hex('08 90')), /id is missing/, undefined);
  isInvalid(binary(hex('08 91 c0')), /id is missing/, undefined);
});

test('of a JSON key that occurs twice the last counts, and is checked', () => {
  assert.deepEqual(decodeClient(utf8('{"t":"read","t":"ping","id":0,"id":7}'), false, 'json'), {
    t: 'ping',
    id: 7,
  });
  isInvalid(json('{"t":"ping","id":7,"id":0}'), /id must be/, undefined);
});

test('numbers that are none, fractions, and beyond what is exact are invalid', () => {
  for (const number of ['1.5', '1e400', '-1', '9007199254740992', '1e300', '"1"', 'true', '[1]']) {
    isInvalid(
      json(`{"t":"history","id":7,"conv":"${CONV}","after":${number}}`),
      /after must be an integer from 0/,
      7,
    );
  }
  const conv = concat(hex('d9 24'), utf8(CONV));
  for (const number of [
    'cb 7ff8000000000000',
    'cb 7ff0000000000000',
    'ca 7fc00000',
    'cb 3ff8000000000000',
    'cf 0020000000000000',
    'cf ffffffffffffffff',
    'd3 8000000000000000',
    'ff',
    'd0 80',
  ]) {
    isInvalid(binary(concat(hex('05 93 07'), conv, hex(number))), /after must be an integer from 0/, 7);
  }
  const integral = decodeClient(concat(hex('05 93 07'), conv, hex('cb 4014000000000000')), true, 'binary');
  assert.deepEqual(integral, { t: 'history', id: 7, conv: CONV, after: 5 });
});

test('lists of 60,000 bad items are refused at the first, in a few milliseconds', () => {
  const text = `{"t":"create","id":7,"kind":"group","members":[${'1,'.repeat(60_000)}1]}`;
  const started = performance.now();
  const refusal = json(text);
  assert.ok(performance.now() - started < 50);
  assert.equal(refusal.code, 'too_large');
});

test('JSON nested 60,000 deep is refused, in a few milliseconds', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const depth = Math.floor(120_000 / (open.length + 1));
    const started = performance.now();
    isInvalid(
      json(`{"t":"ping","id":7,"x":${open.repeat(depth)}0${close.repeat(depth)}}`),
      /no field "x"/,
      7,
    );
    assert.ok(performance.now() - started < 100);
  }
});
