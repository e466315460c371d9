import { once } from 'node:events';
import type { Message } from '../protocol/frames.ts';

/** Whoever reads our output has gone (`carillon history | head`): not our failure. */
export function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

/** Writes a line; resolves when there is room for the next. */
export async function printLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

/** A word to the person at the terminal, beside the output. */
export function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** One line that is written over by the next; nothing where nobody watches. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Columns as wide as their widest cell, the first row above a rule. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return rows.flatMap((row, i) => (i === 0 ? [line(row), rule] : [line(row)])).join('\n');
}

/** A message as scripts read it: its fields as in the JSON subprotocol, without `t`. */
export function messageJson(message: Message): string {
  const { t: _, ...fields } = message;
  const body =
    typeof message.body === 'string' ? message.body : { b64: Buffer.from(message.body).toString('base64') };
  return JSON.stringify({ ...fields, body });
}

/** A message as people read it: time, seq, sender, text; further lines of it are indented. */
export function messageText(message: Message): string {
  const when = new Date(message.ts).toISOString().replace('T', ' ').slice(0, 19);
  const kind = message.kind === 'text' ? '' : `(${message.kind}) `;
  const body = typeof message.body === 'string' ? message.body : `${message.body.length} bytes`;
  const lead = `${when}  #${message.seq}  ${message.from}:  `;
  return lead + printable(kind + body).replaceAll('\n', `\n${' '.repeat(lead.length)}`);
}

/** Without what a terminal would obey: others' messages must not move its cursor or change its title. */
export function printable(text: string): string {
  return text.replaceAll('\t', '  ').replaceAll(/(?!\n)[\p{Cc}\p{Bidi_Control}]/gu, '\ufffd');
}
