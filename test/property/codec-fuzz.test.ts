/**
 * Mutated frames against the codec. A failure names the seed and the number of the mutant; run it again with
 * CARILLON_FUZZ_SEED=seed, and more of them with CARILLON_FUZZ_FRAMES=count.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ERRORS } from '../../src/core/errors.ts';
import { encodeClient } from '../../src/protocol/client-codec.ts';
import { CLIENT_FRAMES } from '../../src/protocol/frames.ts';
import { type Decoded, decodeClient } from '../../src/protocol/server-codec.ts';
import { type Mutant, mutants } from '../fuzz/mutate.ts';
import { asClientFrame, utf8 } from '../unit/protocol/support.ts';

const SEED = Number(process.env.CARILLON_FUZZ_SEED ?? 20_231_114);
const FRAMES = Number(process.env.CARILLON_FUZZ_FRAMES ?? 50_000);
/** Of one frame; far above what any takes, so that a busy machine does not fail the test. */
const DECODE_MS_MAX = 250;

/** A value of the union, with what an answer needs. */
function checkUnion(decoded: Decoded): void {
  if (decoded.t !== 'refused') {
    assert.ok(Object.hasOwn(CLIENT_FRAMES, decoded.t), decoded.t);
    return;
  }
  const { code, message, id, re, conv, close } = decoded;
  assert.ok(Object.hasOwn(ERRORS, code), code);
  assert.ok(message.length > 0 && message.length < 500, message);
  if (close !== undefined) assert.equal(close, 'bad_frame');
  if (id !== undefined) assert.ok(Number.isInteger(id) && id > 0 && id < 2 ** 31);
  if (id !== undefined) assert.deepEqual([re, conv], [undefined, undefined]);
  assert.ok(re === undefined || re.length <= 33);
}

/** What is taken can be written again, in both forms, and is then read as the same. */
function checkAccepted(decoded: Decoded): void {
  const frame = asClientFrame(decoded);
  assert.deepEqual(
    asClientFrame(decodeClient(encodeClient(frame, 'binary') as Uint8Array, true, 'binary')),
    frame,
  );
  assert.deepEqual(
    asClientFrame(decodeClient(utf8(encodeClient(frame, 'json') as string), false, 'json')),
    frame,
  );
}

test(`${FRAMES} mutated frames of seed ${SEED}: each yields a frame or a refusal, none throws, none takes long`, (t) => {
  const counts = { taken: 0, closed: 0, refused: 0 };
  const seen = new Set<string>();
  let slowestMs = 0;
  let index = 0;
  for (const mutant of mutants(SEED)) {
    if (index === FRAMES) break;
    const before = mutant.bytes.slice();
    try {
      const started = process.cpuUsage();
      const decoded = decodeClient(mutant.bytes, mutant.isBinary, mutant.subprotocol);
      const { user, system } = process.cpuUsage(started);
      slowestMs = Math.max(slowestMs, (user + system) / 1_000); // of work: the machine may be busy otherwise
      assert.ok(Buffer.from(mutant.bytes).equals(before), 'the bytes were changed');
      checkUnion(decoded);
      if (decoded.t !== 'refused') checkAccepted(decoded);
      if (decoded.t !== 'refused') counts.taken++;
      else if (decoded.close === undefined) counts.refused++;
      else counts.closed++;
      seen.add(
        `${mutant.subprotocol} ${decoded.t === 'refused' ? (decoded.close ?? decoded.code) : decoded.t}`,
      );
    } catch (error) {
      assert.fail(`mutant ${index} of seed ${SEED}, ${describe(mutant)}: ${String(error)}`);
    }
    index++;
  }
  t.diagnostic(`${JSON.stringify(counts)}, slowest ${slowestMs.toFixed(1)} ms`);
  assert.ok(slowestMs < DECODE_MS_MAX, `a frame took ${slowestMs} ms`);
  // The mutator must neither break every frame nor spare it, and must reach every kind of outcome.
  for (const count of Object.values(counts)) assert.ok(count > FRAMES / 20, JSON.stringify(counts));
  for (const outcome of [...Object.keys(CLIENT_FRAMES), 'bad_frame', 'invalid', 'unsupported']) {
    assert.ok(seen.has(`binary ${outcome}`) && seen.has(`json ${outcome}`), `no ${outcome}`);
  }
});

test('the same seed yields the same mutants', () => {
  const [one, other] = [mutants(7), mutants(7)];
  for (let i = 0; i < 500; i++) assert.deepEqual(one.next().value, other.next().value);
});

function describe(mutant: Mutant): string {
  const bytes = Buffer.from(mutant.bytes.subarray(0, 200)).toString('hex');
  return `${mutant.subprotocol}, ${mutant.how}, ${mutant.bytes.length} bytes: ${bytes}`;
}
