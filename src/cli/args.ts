import { parseArgs } from 'node:util';
import { nearest } from '../setting.ts';

/** The command line is wrong; the message says where, and what would be right. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What the value stands for, in the help: `USER`. */
  readonly value?: string;
  readonly help: string;
}
export type Flags = Readonly<Record<string, Flag>>;

export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K]['type'] extends 'boolean' ? boolean : string | undefined;
};

/** A command's flags and the words beside them. Throws a UsageError. */
export function readFlags<F extends Flags>(
  args: readonly string[],
  flags: F,
): { readonly flags: FlagValues<F>; readonly words: readonly string[] } {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { type, short }]) => [
        name,
        short === undefined ? { type } : { type, short },
      ]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) {
      const known = Object.keys(flags).map((name) => `--${name}`);
      throw new UsageError(
        `${token.rawName} is no flag of this command; did you mean ${nearest(token.rawName, known)}?`,
      );
    }
    if (flag.type === 'boolean' && token.value !== undefined)
      throw new UsageError(`${token.rawName} takes no value`);
    if (flag.type === 'string' && token.value === undefined) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${flag.value ?? 'VALUE'}`);
    }
    if (seen.has(token.name)) throw new UsageError(`${token.rawName} is given twice`);
    seen.add(token.name);
  }
  const read = Object.fromEntries(
    Object.entries(flags).map(([name, { type }]) => [
      name,
      type === 'boolean' ? values[name] === true : values[name],
    ]),
  );
  return { flags: read as FlagValues<F>, words: positionals };
}

/** Refuses words where a command takes none. */
export function noWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`${words[0]}: this command takes flags alone`);
}

/** A whole number within bounds, undefined if the flag was not given. */
export function readInteger(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${text}: must be a whole number from ${min} to ${max}`);
}

/** The flags for people, one line each. */
export function flagsHelp(flags: Flags): string {
  const left = (name: string, { short, value, type }: Flag): string =>
    `  ${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`;
  const lines = Object.entries(flags).map(([name, flag]) => [left(name, flag), flag.help] as const);
  const width = Math.max(...lines.map(([text]) => text.length)) + 2;
  return lines.map(([text, help]) => `${text.padEnd(width)}${help}`).join('\n');
}
