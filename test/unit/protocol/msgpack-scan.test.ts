import assert from 'node:assert/strict';
import test from 'node:test';
import { pack } from 'msgpackr';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { leadingInteger, scanMsgpack } from '../../../src/protocol/msgpack-scan.ts';
import { concat, hex } from './support.ts';

const scan = (bytes: string | Uint8Array, start = 0) =>
  scanMsgpack(typeof bytes === 'string' ? hex(bytes) : bytes, start, 'array');

/** One value of every msgpack format but extensions, at its lower and upper lengths. */
const VALUES: readonly string[] = [
  '00',
  '7f',
  'e0',
  'ff',
  'c0',
  'c2',
  'c3',
  'cc ff',
  'cd ffff',
  'ce ffffffff',
  'cf ffffffffffffffff',
  'd0 80',
  'd1 8000',
  'd2 80000000',
  'd3 8000000000000000',
  'ca 7fc00000',
  'cb 7ff8000000000000',
  'a0',
  `bf ${'61'.repeat(31)}`,
  'd9 00',
  `d9 20 ${'61'.repeat(32)}`,
  'da 0001 61',
  'db 00000001 61',
  'a4 f09f918b',
  'c4 00',
  'c4 01 ff',
  'c5 0001 ff',
  'c6 00000001 ff',
  '90',
  `9f ${'00'.repeat(15)}`,
  'dc 0000',
  'dc 0001 00',
  'dd 00000001 00',
  '80',
  '81 a1 61 00',
  'de 0001 a0 00',
  'df 00000001 a0 00',
  '81 a0 80',
];

test('every format but extensions is passed, alone and in company', () => {
  for (const value of VALUES) {
    assert.equal(scan(`91 ${value}`), undefined, value);
    assert.equal(scan(`93 01 ${value} 02`), undefined, value);
  }
  assert.equal(scan(`dc 00${VALUES.length.toString(16)} ${VALUES.join('')}`), undefined);
});

test('every format is found cut short at every byte, and with a byte too many', () => {
  for (const value of VALUES) {
    const bytes = hex(`91 ${value}`);
    for (let length = 1; length < bytes.length; length++) {
      assert.equal(scan(bytes.subarray(0, length))?.malformed, true, `${value} cut to ${length}`);
    }
    assert.match(scan(concat(bytes, hex('00')))?.message ?? '', /bytes follow/);
  }
});

test('the value must be of the kind asked', () => {
  for (const value of VALUES) {
    const first = hex(value)[0] as number;
    const isArray = (first & 0xf0) === 0x90 || first === 0xdc || first === 0xdd;
    const isMap = (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
    assert.equal(scan(value)?.malformed, isArray ? undefined : true, value);
    assert.equal(scanMsgpack(hex(value), 0, 'map')?.malformed, isMap ? undefined : true, value);
  }
  assert.equal(scan('')?.malformed, true);
  assert.equal(scan('91 00', 2)?.malformed, true);
});

test('the scan begins where it is told to', () => {
  assert.equal(scan('c1 c1 91 00', 2), undefined);
});

test('each extension format is found, whatever its type', () => {
  for (const format of ['d4', 'd5', 'd6', 'd7', 'd8', 'c7 00', 'c8 0000', 'c9 00000000']) {
    for (const type of ['00', '62', '65', '69', '70', '72', '73', '74', '78', 'ff']) {
      const problem = scan(`91 ${format} ${type} ${'00'.repeat(16)}`);
      assert.deepEqual(
        [problem?.malformed, problem?.message.includes('extensions')],
        [false, true],
        `${format} ${type}`,
      );
    }
  }
});

test('depth 8 is passed, depth 9 not, for arrays and maps', () => {
  for (const open of ['91', '81 a0', 'dc 0001', 'df 00000001 a0']) {
    assert.equal(scan(`91 ${open.repeat(7)} 00`), undefined, open);
    assert.match(scan(`91 ${open.repeat(8)} 00`)?.message ?? '', /nested up to 8/, open);
  }
  assert.equal(scan('98 91 91 90 91 91 90 00 00 00 00 00 00'), undefined, 'siblings are not nested');
});

test('2,048 values are passed, 2,049 not, the outer array and map keys counted', () => {
  const zeros = (count: number) => '00'.repeat(count);
  const max = LIMITS.msgpackItemsMax;
  assert.equal(scan(`dc 07ff ${zeros(max - 1)}`), undefined);
  assert.match(scan(`dc 0800 ${zeros(max)}`)?.message ?? '', /up to 2048/);
  assert.equal(scan(`91 de 03ff ${'a000'.repeat((max - 2) / 2)}`), undefined);
  assert.match(scan(`91 de 0400 ${'a000'.repeat(max / 2)}`)?.message ?? '', /up to 2048/);
});

test('what the packer of this project writes is passed', () => {
  for (const value of [
    [1, 'a', null, true, [1.5, -3], { a: 1 }],
    [new Uint8Array(70_000)],
    ['ü'.repeat(40_000)],
    [2 ** 40],
  ]) {
    assert.equal(scan(pack(value)), undefined);
  }
});

test('a leading integer is read where there is one', () => {
  const leading = (bytes: string) => leadingInteger(hex(bytes), 0);
  assert.deepEqual(
    ['91 07', '91 cc ff', '92 cd 0102', 'dc 0001 ce 01020304', 'dd 00000001 05'].map(leading),
    [7, 255, 258, 0x01020304, 5],
  );
  for (const none of [
    '',
    '90',
    '91',
    '91 cc',
    '91 cd 01',
    '91 ce 010203',
    '91 ff',
    '91 a1 61',
    '91 c0',
    '07',
    '81 07 00',
    'dc 00',
  ]) {
    assert.equal(leading(none), undefined, none);
  }
});
