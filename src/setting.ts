import { accessSync, constants, readFileSync } from 'node:fs';

/** The kinds of settings, and how each reads its text. */

export type Parsed<T> = { readonly value: T } | { readonly must: string };

export interface Setting<T> {
  /** Without the prefix: CARILLON_DATA_DIR is DATA_DIR, and --data-dir on the command line. */
  readonly name: string;
  readonly type: string;
  /** As one would write it; undefined: none. */
  readonly default: string | undefined;
  readonly help: string;
  /** What was given is not shown when it is wrong: a password may be in it. */
  readonly secret?: true;
  readonly parse: (text: string) => Parsed<T>;
}

export const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;
export const SWITCH = 'true | false';

export function text<D extends string | undefined>(name: string, fallback: D, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> =>
    given.trim() === '' ? { must: 'text, not blank' } : { value: given };
  return { name, type: 'text', default: fallback, help, parse };
}

export function password(name: string, help: string): Setting<string> {
  return {
    ...text(name, undefined, `${help} Better as a variable: flags show in the list of processes.`),
    secret: true,
  };
}

/** What whoever knows it may do: long enough not to be guessed. */
export function adminToken(name: string, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> =>
    /^[\x21-\x7e]{16,}$/.test(given)
      ? { value: given }
      : { must: '16 or more printable ASCII characters without blanks' };
  return { ...password(name, help), parse };
}

export function integer(
  name: string,
  min: number,
  max: number,
  fallback: string | undefined,
  help: string,
): Setting<number> {
  const parse = (given: string): Parsed<number> => {
    const value = Number(given);
    const fits = /^\d{1,15}$/.test(given) && value >= min && value <= max;
    return fits ? { value } : { must: `a whole number from ${min} to ${max}` };
  };
  return { name, type: `${min} … ${max}`, default: fallback, help, parse };
}

export function choice<const C extends string>(
  name: string,
  choices: readonly C[],
  fallback: NoInfer<C>,
  help: string,
): Setting<C> {
  const parse = (given: string): Parsed<C> => {
    const value = choices.find((one) => one === given);
    return value === undefined ? { must: `one of ${choices.join(', ')}` } : { value };
  };
  return { name, type: choices.join(' | '), default: fallback, help, parse };
}

export function flag(name: string, fallback: string, help: string): Setting<boolean> {
  const parse = (given: string): Parsed<boolean> => {
    if (/^(true|1|yes|on)$/i.test(given)) return { value: true };
    return /^(false|0|no|off)$/i.test(given) ? { value: false } : { must: 'true or false' };
  };
  return { name, type: SWITCH, default: fallback, help, parse };
}

export function file(name: string, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> => {
    try {
      accessSync(given, constants.R_OK);
      return { value: given };
    } catch (error) {
      return unreadable(error);
    }
  };
  return { name, type: 'file', default: undefined, help, parse };
}

/** A file that is read at once; its text is the value if `holds` says that it is what it should be. */
export function contents(
  name: string,
  help: string,
  what: string,
  holds: (text: string) => boolean,
): Setting<string> {
  const parse = (given: string): Parsed<string> => {
    try {
      const value = readFileSync(given, 'utf8');
      return holds(value) ? { value } : { must: `a file with ${what}` };
    } catch (error) {
      return unreadable(error);
    }
  };
  return { name, type: 'file', default: undefined, help, parse };
}

function unreadable(error: unknown): { readonly must: string } {
  return { must: `a file that can be read (${error instanceof Error ? error.message : String(error)})` };
}

export function jwksUrl(name: string, help: string): Setting<string> {
  const parse = (given: string): Parsed<string> => {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    const safe =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK_HOST.test(url.hostname));
    return safe ? { value: given } : { must: 'an https: URL (http: only on loopback)' };
  };
  return { name, type: 'URL', default: undefined, help, parse };
}

export function origins(name: string, help: string): Setting<readonly string[]> {
  const parse = (given: string): Parsed<readonly string[]> => {
    const value = given.split(',').map((origin) => origin.trim());
    const wrong = value.find((origin) => origin !== '*' && !isOrigin(origin));
    if (wrong === undefined) return { value };
    return {
      must: `origins such as https://chat.example.com (scheme, host, port if not the usual one, no path); ${JSON.stringify(wrong)} is none`,
    };
  };
  return { name, type: 'origin,…', default: undefined, help, parse };
}

function isOrigin(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { origin, protocol } = new URL(given);
  return origin === given && (protocol === 'https:' || protocol === 'http:');
}

export function optional<T>(setting: Setting<T>): Setting<T | undefined> {
  return setting;
}

/** Of `candidates`, the one that the fewest edits make of `word`. */
export function nearest(word: string, candidates: readonly string[]): string {
  let best = { candidate: '', edits: Number.POSITIVE_INFINITY };
  for (const candidate of candidates) {
    const edits = editDistance(word, candidate);
    if (edits < best.edits) best = { candidate, edits };
  }
  return best.candidate;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (previous[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}
