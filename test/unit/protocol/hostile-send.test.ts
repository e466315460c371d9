/** Sends that nobody writes by accident, and bodies and kinds that must not get in. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeClient } from '../../../src/protocol/client-codec.ts';
import { type DecodedSend, decodeClient } from '../../../src/protocol/server-codec.ts';
import { binary, CMID, CONV, hex, isInvalid, json, refused, SEND, sendWith, utf8 } from './support.ts';

test('lone surrogates are invalid in every text', () => {
  const send = (body: string, kind = '"k"') =>
    json(`{"t":"send","id":7,"conv":"${CONV}","cmid":"${CMID}","kind":${kind},"body":${body}}`);
  for (const text of ['"\\ud800"', '"a\\udc00b"', '"\\udc00\\ud800"', '"👋\\ud83d"']) {
    isInvalid(send(text), /body holds a lone surrogate/, 7);
    isInvalid(send('"x"', text), /kind must be/, 7);
    isInvalid(json(`{"t":"create","id":7,"kind":"group","members":[],"title":${text}}`), /title must be/, 7);
    isInvalid(json(`{"t":"create","id":7,"kind":"group","members":[${text}]}`), /members\[0\] must be/, 7);
  }
  const paired = decodeClient(
    utf8(`{"t":"send","id":7,"conv":"${CONV}","cmid":"${CMID}","body":"\\ud83d\\udc4b"}`),
    false,
    'json',
  );
  assert.deepEqual(paired.t === 'send' && [...paired.body], [...utf8('👋')]);
});

test('base64 that is not standard, padded and canonical is invalid', () => {
  const send = (body: string) => `{"t":"send","id":7,"conv":"${CONV}","cmid":"${CMID}","body":${body}}`;
  for (const b64 of [
    'AA',
    'AA=',
    'AA===',
    'AB==',
    'AAB=',
    'A-_=',
    'A A=',
    'AA==\\n',
    'AAAA====',
    '=',
    'é',
    'AA==AA==',
  ]) {
    isInvalid(json(send(`{"b64":"${b64}"}`)), /body\.b64 must be padded base64/, 7);
  }
  for (const body of [
    '1',
    'true',
    '[]',
    '{}',
    '{"b64":1}',
    '{"b64":null}',
    '{"b64":"AA==","x":1}',
    '{"B64":"AA=="}',
  ]) {
    isInvalid(json(send(body)), /body must be a string/, 7);
  }
  isInvalid(json(send('null')), /body is missing/, 7);
  const bytes = decodeClient(utf8(send('{"b64":"+/8="}')), false, 'json');
  assert.deepEqual(bytes.t === 'send' && [...bytes.body, bytes.text], [0xfb, 0xff, false]);
});

test('a body over the limit is too_large in every form, at it is not', () => {
  const base = { t: 'send', id: 7, conv: CONV, cmid: CMID } as const;
  for (const body of ['x'.repeat(16_385), 'ü'.repeat(8_193), '👋'.repeat(4_097), new Uint8Array(16_385)]) {
    const text = encodeClient({ ...base, body }, 'json') as string;
    const bytes = encodeClient({ ...base, body }, 'binary') as Uint8Array;
    for (const refusal of [json(text), binary(bytes)]) {
      assert.deepEqual([refusal.code, refusal.id], ['too_large', 7]);
      assert.match(refusal.message, /body has \d+ bytes: it may have up to 16384/);
    }
  }
});

test('kinds of the server, too long or empty ones are invalid in both forms', () => {
  const base = { t: 'send', id: 7, conv: CONV, cmid: CMID, body: 'x' } as const;
  for (const kind of ['sys.created', 'sys.', 'x'.repeat(33), '👋'.repeat(33), 'a\u0000', 'a\nb']) {
    isInvalid(json(encodeClient({ ...base, kind }, 'json') as string), /kind must be 1 to 32.*sys\./, 7);
    isInvalid(
      binary(encodeClient({ ...base, kind }, 'binary') as Uint8Array),
      /kind must be 1 to 32.*sys\./,
      7,
    );
  }
  isInvalid(json(encodeClient({ ...base, kind: '' }, 'json') as string), /kind must be/, 7);
});

test('a binary send that is cut short at any byte is refused, with its id from byte 8 on', () => {
  for (let length = 1; length < SEND.length; length++) {
    const refusal = binary(SEND.subarray(0, length));
    isInvalid(refusal, /must/, length >= 8 ? 7 : undefined);
    if (length < 8) assert.equal(refusal.re, 'send');
  }
});

test('a binary send whose lengths lie is refused', () => {
  isInvalid(binary(sendWith(40, [0xff, 0xff, 0xff, 0xff])), /lie within the frame/, 7);
  isInvalid(binary(sendWith(40, [0, 0, 0, 3])), /lie within the frame/, 7);
  isInvalid(binary(sendWith(40, [0, 0, 0, 1])), /end with the body/, 7);
  isInvalid(binary(sendWith(2, [255])), /lie within the frame/, 7);
  isInvalid(binary(sendWith(0, [0x10], hex('00'))), /end with the body/, 7);
});

test('a binary send with unknown flags, a set spare byte or a bad id is refused', () => {
  for (const flag of [0x04, 0x08, 0x10, 0x20, 0x40])
    isInvalid(binary(sendWith(1, [flag | 1])), /flags must be/, 7);
  isInvalid(binary(sendWith(3, [1])), /byte behind kind bytes must be 0/, 7);
  for (const id of [
    [0, 0, 0, 0],
    [0x80, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff],
  ]) {
    const refusal = binary(sendWith(4, id));
    isInvalid(refusal, /id must be/, undefined);
    assert.deepEqual([refusal.re, refusal.conv], ['send', CONV]);
  }
});

test('a binary body that says text and is no UTF-8 is refused; as bytes it is taken', () => {
  for (const bytes of [
    [0xc3, 0x28],
    [0xff, 0xff],
    [0x80, 0x61],
    [0xc0, 0x80],
  ]) {
    isInvalid(binary(sendWith(44, bytes)), /body must be UTF-8/, 7);
    const taken = sendWith(44, bytes);
    taken[1] = 0;
    const send = decodeClient(taken, true, 'binary');
    assert.deepEqual(send.t === 'send' && [...send.body, send.text], [...bytes, false]);
  }
});

test('the map behind the body of a send must be a whole msgpack map of mentions alone', () => {
  const withExtras = (tail: string) => decodeClient(sendWith(1, [0x81], hex(tail)), true, 'binary');
  for (const empty of ['80', 'de 0000', 'df 00000000']) assert.equal(withExtras(empty).t, 'send', empty);
  for (const unknown of ['81 a1 61 00', '81 a0 00', 'de 0001 a0 00'])
    isInvalid(refused(withExtras(unknown)), /map behind the body has no field/, 7);
  const mentions = (value: string) => withExtras(`81 a8 6d 65 6e 74 69 6f 6e 73 ${value}`);
  assert.deepEqual((mentions('91 a1 61') as DecodedSend).mentions, ['a']);
  assert.equal((mentions('c0') as DecodedSend).mentions, undefined);
  for (const wrong of ['90', '01', '91 01', '91 a2 61 20', `dc 0041 ${'a1 61 '.repeat(65)}`])
    isInvalid(refused(mentions(wrong)), /mentions must be an array of 1 to 64 items/, 7);
  for (const wrong of [
    '',
    '90',
    'c0',
    '81',
    '81 a1',
    '80 80',
    'df ffffffff',
    '81 d4 00 00 01',
    '81 a1 ff 01',
  ]) {
    isInvalid(refused(withExtras(wrong)), /with flag 0x80 a msgpack map must follow/, 7);
  }
});
