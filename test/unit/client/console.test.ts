import assert from 'node:assert/strict';
import test from 'node:test';
import { loadAssets } from '../../../src/console/assets.ts';
import {
  hueOf,
  initialsOf,
  linkParts,
  listOf,
  mentionsIn,
  presenceText,
  systemText,
  whenOf,
} from '../../../src/console/format.ts';
import { parseNames } from '../../../src/console/new-chat.ts';
import type { Message } from '../../../src/protocol/frames.ts';

test('the page is four small files, without inline script or style', async () => {
  const assets = await loadAssets();
  assert.deepEqual([...assets.keys()].sort(), ['/', '/app.js', '/favicon.svg', '/style.css']);
  assert.equal(assets.get('/app.js')?.type, 'text/javascript; charset=utf-8');
  const html = Buffer.from(assets.get('/')?.bytes ?? []).toString();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=/);
  let bytes = 0;
  for (const asset of assets.values()) bytes += asset.bytes.length;
  assert.ok(bytes < 80_000, `${bytes} bytes`);
});

test('names are read from what people type, and what cannot be one is named', () => {
  assert.deepEqual(parseNames(' bob, cleo;dan bob ', 'ann'), ['bob', 'cleo', 'dan']);
  assert.deepEqual(parseNames('ann bob', 'ann'), ['bob']);
  assert.match(String(parseNames('ann', 'ann')), /That is you/);
  assert.match(String(parseNames(' ', 'ann')), /at least one/);
  assert.match(String(parseNames('bob, <b>', 'ann')), /“<b>” can't be a name/);
});

test('web addresses become links, their closing punctuation does not', () => {
  assert.deepEqual(linkParts('see https://a.example/x?y=1. And (http://b.example)!'), [
    { text: 'see ', isLink: false },
    { text: 'https://a.example/x?y=1', isLink: true },
    { text: '. And (', isLink: false },
    { text: 'http://b.example', isLink: true },
    { text: ')!', isLink: false },
  ]);
  assert.ok(linkParts('javascript:alert(1) data:text/html,x').every((part) => !part.isLink));
  assert.deepEqual(linkParts(''), []);
});

test('system events read as sentences', () => {
  const event = (kind: string, body: unknown): string =>
    systemText({
      kind,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      from: 'ann',
    } as Message);
  const created = {
    kind: 'group',
    title: 'T',
    members: [
      ['ann', 'owner'],
      ['bob', 'member'],
    ],
  };
  assert.equal(event('sys.created', created), 'ann created the group “T” with bob');
  assert.equal(event('sys.members', { add: ['bob', 'cleo'] }), 'ann added bob and cleo');
  assert.equal(event('sys.members', { remove: ['bob'] }), 'ann removed bob');
  assert.equal(event('sys.members', { leave: true }), 'ann left');
  assert.equal(event('sys.members', { role: [['bob', 'admin']] }), 'ann changed roles: bob is admin');
  assert.equal(event('sys.members', 'no JSON'), '');
  assert.equal(event('sys.later', {}), '');
  assert.equal(listOf(['a', 'b', 'c', 'd', 'e', 'f', 'g']), 'a, b, c, d, e and 2 more');
});

test('avatars have initials and one of eight hues', () => {
  assert.deepEqual(['ann', 'Tower visit', 'a.b', '', '...', '😀x'].map(initialsOf), [
    'A',
    'TV',
    'AB',
    '?',
    '?',
    '😀',
  ]);
  assert.equal(new Set('abcdefghijklmnopqrstuvwxyz'.split('').map(hueOf)).size, 8);
});

test('names called by @ are found, each once, and nothing else', () => {
  const cases: readonly (readonly [string, string[]])[] = [
    ['@bob look', ['bob']],
    ['so (@ann, @d-4:e_5) and @ann.', ['ann', 'd-4:e_5']],
    ['mail me@home.org', []],
    ['@ nobody @. @:', []],
    ['@carol@example.org!', ['carol@example.org']],
  ];
  for (const [text, names] of cases) assert.deepEqual(mentionsIn(text), names, text);
  const many = Array.from({ length: 70 }, (_, i) => `@u${i}`).join(' ');
  assert.equal(mentionsIn(many).length, 64);
});

test('below a name stands whether somebody is there, or when they were', () => {
  const now = new Date(2026, 4, 5, 12).getTime();
  const event = { t: 'presence', user: 'bob' } as const;
  assert.equal(presenceText(undefined, now), '');
  assert.equal(presenceText({ ...event, online: true }, now), 'Online');
  assert.equal(presenceText({ ...event, online: false }, now), '');
  const lastSeen = now - 3_600_000;
  assert.equal(
    presenceText({ ...event, online: false, lastSeen }, now),
    `Last seen ${whenOf(lastSeen, now)}`,
  );
});
