/**
 * What the fields of a client's frames may hold. docs/protocol.md repeats the `expected` texts, and a test
 * compares.
 */
import FastestValidator, { type CheckerFunctionError, type SyncCheckFunction } from 'fastest-validator';
import type { ErrorCode } from '../core/errors.ts';
import { isName, isUuid } from '../core/ids.ts';
import { quoted } from './decoded.ts';
import { VISIBILITIES } from '../core/users.ts';
import { CLIENT_FRAMES, type ClientFrame, type Prefs } from './frames.ts';
import { LIMITS } from './limits.ts';

export interface FieldRule {
  readonly type: string;
  readonly optional?: boolean;
  /** Ends the sentence "the field must be …". */
  readonly expected: string;
  readonly [setting: string]: unknown;
}

/** What is wrong with a frame's fields. */
export interface FieldProblem {
  readonly t: 'problem';
  readonly code: ErrorCode;
  /** Names the field, and what would be right. */
  readonly message: string;
}

type Test = (value: unknown) => boolean;

const NAME = '1 to 64 of the characters A-Z a-z 0-9 . _ @ : -';
const UUID = 'a UUID in lower case';
const SEQ = `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`;
const ROLES: readonly unknown[] = ['owner', 'admin', 'member'];

const isNameValue: Test = (value) => typeof value === 'string' && isName(value);
const isUuidValue: Test = (value) => typeof value === 'string' && isUuid(value);
/** A minus zero is none: it would not compare as what it is written as. */
const isInteger = (min: number, max: number): Test => {
  return (value) =>
    Number.isInteger(value) && !Object.is(value, -0) && Number(value) >= min && Number(value) <= max;
};
const isSeq = isInteger(0, Number.MAX_SAFE_INTEGER);
const isPair = (first: Test, second: Test): Test => {
  return (value) => Array.isArray(value) && value.length === 2 && first(value[0]) && second(value[1]);
};

// A new object for each use: the validator takes one that it meets twice for a cyclic schema.
const matching = (expected: string, pattern: RegExp): FieldRule => ({ type: 'string', pattern, expected });
const oneOf = (...values: readonly string[]): FieldRule => ({
  type: 'enum',
  values,
  expected: values.join(', '),
});
const optional = (rule: FieldRule): FieldRule => ({ ...rule, optional: true });
const checked = (expected: string, test: Test): FieldRule => {
  const check = (value: unknown, errors: CheckerFunctionError[]): unknown => {
    if (!test(value)) errors.push({ type: 'invalid' });
    return value;
  };
  return { type: 'custom', check, expected };
};
const integer = (min: number, max: number): FieldRule => {
  return checked(`an integer from ${min} to ${max}`, isInteger(min, max));
};
const seq = (): FieldRule => integer(0, Number.MAX_SAFE_INTEGER);
const flag = (): FieldRule => ({ type: 'boolean', expected: 'true or false' });
const uuid = (): FieldRule => checked(UUID, isUuidValue);
/** Stops at the first bad item, however long the list. */
const list = (min: number, max: number, item: string, test: Test): FieldRule => {
  const expected = `an array of ${min} to ${max} items, each ${item}`;
  const check = (value: unknown, errors: CheckerFunctionError[], _rule: unknown, path: string): unknown => {
    if (!Array.isArray(value) || value.length < min) errors.push({ type: 'invalid' });
    else if (value.length > max) errors.push({ type: 'too_large' });
    else {
      const bad = value.findIndex((entry) => !test(entry));
      if (bad >= 0) errors.push({ type: 'invalid', field: `${path}[${bad}]`, expected: item });
    }
    return value;
  };
  return { type: 'custom', check, expected };
};
/** In Unicode code points; without control characters and lone surrogates. */
const words = (max: number): FieldRule => {
  return matching(
    `1 to ${max} characters, no control characters`,
    new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${max}}$`, 'u'),
  );
};
const printable = (max: number): FieldRule => {
  return { ...matching(`1 to ${max} printable ASCII characters`, /^[\x21-\x7e]+$/), max };
};
const users = (min: number): FieldRule => list(min, LIMITS.groupMembersMax, NAME, isNameValue);
const requestId = (): FieldRule => integer(1, LIMITS.requestIdMax);
const pageLimit = (max: number): FieldRule => optional(integer(1, max));

const KIND = new RegExp(`^(?!sys\\.)[^\\p{Cc}\\p{Cs}]{1,${LIMITS.kindCharsMax}}$`, 'u');
export const KIND_EXPECTED = `1 to ${LIMITS.kindCharsMax} characters, no control characters, not starting with sys.`;
const GROUP_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The rule of each field of each frame, in table order. */
export const FIELD_RULES: { readonly [T in ClientFrame['t']]: Readonly<Record<string, FieldRule>> } = {
  hello: {
    token: printable(LIMITS.tokenCharsMax),
    device: checked(NAME, isNameValue),
    attempt: optional(integer(0, Number.MAX_SAFE_INTEGER)),
    cursor: optional(printable(LIMITS.cursorCharsMax)),
    have: optional(
      list(0, LIMITS.havePairsMax, `a pair [conv, seq] of ${UUID} and ${SEQ}`, isPair(isUuidValue, isSeq)),
    ),
  },
  auth: { id: requestId(), token: printable(LIMITS.tokenCharsMax) },
  conversations: {
    id: requestId(),
    before: optional(printable(LIMITS.cursorCharsMax)),
    limit: pageLimit(LIMITS.conversationsLimitMax),
  },
  create: {
    id: requestId(),
    kind: oneOf('direct', 'group', 'supergroup'),
    members: users(0),
    title: optional(words(LIMITS.titleCharsMax)),
    conv: optional(matching('a UUID in lower case, of version 4 or 7', GROUP_ID)),
  },
  history: {
    id: requestId(),
    conv: uuid(),
    after: optional(seq()),
    before: optional(integer(1, Number.MAX_SAFE_INTEGER)),
    limit: pageLimit(LIMITS.historyLimitMax),
  },
  members: {
    id: requestId(),
    conv: uuid(),
    add: optional(users(1)),
    remove: optional(users(1)),
    role: optional(
      list(
        1,
        LIMITS.groupMembersMax,
        `a pair [user, role] of ${NAME} and ${ROLES.join(', ')}`,
        isPair(isNameValue, (value) => ROLES.includes(value)),
      ),
    ),
    leave: optional(checked('true', (value) => value === true)),
  },
  read: { conv: uuid(), seq: seq() },
  delivered: { conv: uuid(), seq: seq() },
  typing: { conv: uuid(), on: flag() },
  receipts: {
    id: requestId(),
    conv: uuid(),
    seq: optional(integer(1, Number.MAX_SAFE_INTEGER)),
    before: optional(checked(NAME, isNameValue)),
    limit: pageLimit(LIMITS.receiptsLimitMax),
  },
  prefs: {
    id: requestId(),
    conv: optional(uuid()),
    mute: optional(checked('Unix milliseconds, 0 for off', isInteger(0, Number.MAX_SAFE_INTEGER))),
    pin: optional(flag()),
    archive: optional(flag()),
    receipts: optional(flag()),
    presence: optional(oneOf(...VISIBILITIES)),
  },
  watch: { id: requestId(), users: list(1, LIMITS.watchedUsersMax, NAME, isNameValue) },
  unwatch: { id: requestId(), users: list(1, LIMITS.watchedUsersMax, NAME, isNameValue) },
  ping: { id: requestId() },
  send: {
    id: requestId(),
    conv: uuid(),
    cmid: uuid(),
    body: { type: 'any', expected: 'a string, or {"b64": …} for bytes' },
    kind: optional(matching(KIND_EXPECTED, KIND)),
    retry: optional(flag()),
    mentions: optional(list(1, LIMITS.mentionsMax, NAME, isNameValue)),
  },
};

/** What is wrong with the mentions of a `send`. */
export function mentionsProblem(value: unknown): string | undefined {
  const isRight =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= LIMITS.mentionsMax &&
    value.every(isNameValue);
  return isRight ? undefined : `mentions must be ${FIELD_RULES.send.mentions?.expected}`;
}

export function isKind(text: string): boolean {
  return KIND.test(text);
}

// The package exports its class as the module itself, its types as a default export.
const Validator = FastestValidator as unknown as typeof FastestValidator.default;
const validator = new Validator({ useNewCustomCheckerFunction: true, haltOnFirstError: true });
const CHECKS = new Map<string, SyncCheckFunction>(
  Object.entries(FIELD_RULES).map(([t, rules]) => {
    const schema = { $$strict: true, t: { type: 'any' }, ...rules };
    return [t, validator.compile(schema) as SyncCheckFunction];
  }),
);

/**
 * The frame that `value` is, with its known fields alone and in table order (null is absent), or the first
 * problem. The body of a `send` is left to the caller.
 */
export function checkFrame(t: ClientFrame['t'], value: Record<string, unknown>): ClientFrame | FieldProblem {
  const outcome = (CHECKS.get(t) as SyncCheckFunction)(value);
  if (outcome !== true) return describe(t, outcome[0] as CheckerFunctionError);
  const frame: Record<string, unknown> = { t };
  for (const field of CLIENT_FRAMES[t].fields) {
    if (value[field] !== undefined && value[field] !== null) frame[field] = value[field];
  }
  const valid = frame as unknown as ClientFrame;
  return checkTogether(valid) ?? valid;
}

/** Rules that concern more than one field. */
function checkTogether(frame: ClientFrame): FieldProblem | undefined {
  switch (frame.t) {
    case 'create':
      if (frame.kind === 'supergroup') return problem('unsupported', 'kind supergroup is of a later version');
      if (frame.kind === 'direct' && frame.conv !== undefined) {
        return problem(
          'invalid',
          'conv must be absent for a direct conversation: its id is computed from its users',
        );
      }
      return undefined;
    case 'prefs':
      return checkPrefs(frame);
    case 'history':
      if (frame.after === undefined || frame.before === undefined) return undefined;
      return problem(
        'invalid',
        'after and before exclude one another: give one of them, or neither for the newest page',
      );
    case 'members': {
      const changes = [frame.add, frame.remove, frame.role, frame.leave].filter(
        (change) => change !== undefined,
      );
      if (changes.length <= 1) return undefined;
      return problem(
        'invalid',
        'add, remove, role and leave exclude one another: give one of them, or none to list',
      );
    }
    default:
      return undefined;
  }
}

function checkPrefs({ conv, mute, pin, archive, receipts, presence }: Prefs): FieldProblem | undefined {
  const ofOne = mute ?? pin ?? archive;
  const ofAll = receipts ?? presence;
  if (conv !== undefined && ofAll !== undefined)
    return problem('invalid', 'receipts and presence hold for all conversations: leave conv out');
  if (conv === undefined && ofOne !== undefined)
    return problem('invalid', 'conv is missing: mute, pin and archive are of one conversation');
  if ((ofOne ?? ofAll) !== undefined) return undefined;
  return conv === undefined
    ? problem('invalid', 'receipts and presence are both absent: say at least one')
    : problem('invalid', 'mute, pin and archive are all absent: say at least one');
}

function describe(t: ClientFrame['t'], error: CheckerFunctionError): FieldProblem {
  if (error.type === 'objectStrict') {
    const [unknown = ''] = String(error.actual).split(', ', 1);
    const fields = CLIENT_FRAMES[t].fields.join(', ');
    return problem(
      'invalid',
      `${t} has no field ${JSON.stringify(quoted(unknown))}: its fields are ${fields}`,
    );
  }
  const field = error.field ?? '';
  const expected = FIELD_RULES[t][field]?.expected ?? error.expected; // of an item, the error has its own
  if (error.type === 'required') return problem('invalid', `${field} is missing: it must be ${expected}`);
  return problem(error.type === 'too_large' ? 'too_large' : 'invalid', `${field} must be ${expected}`);
}

function problem(code: ErrorCode, message: string): FieldProblem {
  return { t: 'problem', code, message };
}
