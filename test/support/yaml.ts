/**
 * Reads the plain part of YAML that our own files keep to, and refuses all else by line: block mappings and
 * sequences, strings in double quotes, `[flow, lists]` of scalars, `|` blocks, anchors, aliases and merges. Every
 * scalar is a string; an empty value is null. Comments have lines of their own.
 */
export type Yaml = string | null | readonly Yaml[] | YamlMap;
export interface YamlMap {
  readonly [key: string]: Yaml;
}

export function parseYaml(text: string): Yaml {
  const reader = new Reader(text.split('\n'));
  const value = reader.block(0);
  reader.end();
  return value;
}

interface Line {
  readonly indent: number;
  readonly text: string;
}

const KEY = /^([\w.<-]+):(?: +(.*))?$/;
const PLAIN = /^[^\s"'[\]{}&*!|>%@`#,?-]((?!: | #).)*$|^-{1,2}[\w]((?!: | #).)*$/;

class Reader {
  readonly #lines: string[];
  readonly #anchors = new Map<string, Yaml>();
  #at = 0;

  constructor(lines: string[]) {
    this.#lines = lines;
  }

  /** Of lines that are indented by exactly `indent`. */
  block(indent: number): Yaml {
    return this.#peek()?.text.startsWith('- ') === true ? this.#sequence(indent) : this.#mapping(indent);
  }

  end(): void {
    if (this.#peek() !== undefined) this.#fail('indented in no way that the lines above allow');
  }

  #mapping(indent: number): YamlMap {
    const map: Record<string, Yaml> = {};
    const merged: Record<string, Yaml> = {};
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [, key, rest = ''] = KEY.exec(line.text) ?? this.#fail('not `key: value`');
      if (Object.hasOwn(map, key as string)) this.#fail(`${key} is there twice`);
      const value = this.#value(rest, indent);
      if (key === '<<') Object.assign(merged, value);
      else map[key as string] = value;
    }
    return { ...merged, ...map };
  }

  #sequence(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      if (!line.text.startsWith('- ')) this.#fail('not `- item`');
      const item = line.text.slice(2);
      if (KEY.test(item)) {
        this.#lines[this.#at] = ' '.repeat(indent + 2) + item;
        items.push(this.#mapping(indent + 2));
      } else items.push(this.#value(item, indent));
    }
    return items;
  }

  /** What stands behind a key or a dash of a line indented by `indent`, there or below. */
  #value(text: string, indent: number): Yaml {
    const [, anchor, rest] = /^&(\w+) ?(.*)$/.exec(text) ?? [];
    if (anchor !== undefined) {
      const value = this.#value(rest as string, indent);
      this.#anchors.set(anchor, value);
      return value;
    }
    if (text === '|') return this.#literal(indent);
    if (text !== '') {
      const value = this.#scalar(text);
      this.#at++;
      return value;
    }
    this.#at++;
    const next = this.#peek();
    return next !== undefined && next.indent > indent ? this.block(next.indent) : null;
  }

  #scalar(text: string): Yaml {
    if (text.startsWith('*')) return this.#anchors.get(text.slice(1)) ?? this.#fail('no such anchor above');
    if (text.startsWith('[') && text.endsWith(']')) {
      const items = text.slice(1, -1).match(/"(?:[^"\\]|\\.)*"|[^\s,][^,]*/g) ?? [];
      return items.map((item) => this.#scalar(item.trim()));
    }
    if (text.startsWith('"')) return JSON.parse(text) as string;
    return PLAIN.test(text) ? text : this.#fail('not a plain scalar: put it in double quotes');
  }

  #literal(indent: number): string {
    const lines: string[] = [];
    for (this.#at++; this.#at < this.#lines.length; this.#at++) {
      const raw = this.#lines[this.#at] as string;
      if (raw !== '' && raw.search(/\S/) <= indent) break;
      lines.push(raw);
    }
    const margin = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/\S/)));
    return `${lines
      .map((line) => line.slice(margin))
      .join('\n')
      .trimEnd()}\n`;
  }

  /** The next line that says something. */
  #peek(): Line | undefined {
    while (/^\s*(#.*)?$/.test(this.#lines[this.#at] ?? 'end')) this.#at++;
    const raw = this.#lines[this.#at];
    if (raw === undefined) return undefined;
    if (/\t|\s$/.test(raw)) this.#fail('a tab, or a space at the end');
    return { indent: raw.search(/\S/), text: raw.trim() };
  }

  #fail(why: string): never {
    throw new Error(`line ${this.#at + 1}: ${why}: ${this.#lines[this.#at] ?? 'the end'}`);
  }
}
