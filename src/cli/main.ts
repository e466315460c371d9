#!/usr/bin/env node
/** The command line: `carillon COMMAND`. Exit codes: 0 done, 1 failed, 2 a wrong command line or setting. */
import { readFileSync } from 'node:fs';
import { asError } from '../client/errors.ts';
import { nearest } from '../setting.ts';
import { UsageError } from './args.ts';
import { type Command, helpOf } from './command.ts';
import { check } from './commands/check.ts';
import { history } from './commands/history.ts';
import { ring } from './commands/ring.ts';
import { schema } from './commands/schema.ts';
import { send } from './commands/send.ts';
import { RUNNING, start } from './commands/start.ts';
import { tail } from './commands/tail.ts';
import { token } from './commands/token.ts';
import { endQuietlyOnClosedPipe, note } from './output.ts';

const COMMANDS: readonly Command[] = [start, send, tail, history, token, check, schema, ring];

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2;
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  return [
    'carillon COMMAND [FLAGS]',
    '',
    ...lines,
    `  ${'help'.padEnd(width)}This, or with a command's name all about it.`,
    '',
    'Try: carillon start, then in another terminal',
    '  carillon tail --as ann --to bob',
    '  carillon send --as bob --to ann "Hello"',
  ].join('\n');
}

function version(): string {
  // The sources are two folders below package.json, the compiled files three.
  const depth = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
  const text = readFileSync(new URL(`${depth}package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function find(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const names = [...COMMANDS.map((candidate) => candidate.name), 'help'];
  throw new UsageError(`${name} is no command; did you mean ${nearest(name, names)}?`);
}

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(`${rest[0] === undefined ? overview() : helpOf(find(rest[0]))}\n`);
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = find(name);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${helpOf(command)}\n`);
    return 0;
  }
  return command.run(rest);
}

async function main(): Promise<void> {
  endQuietlyOnClosedPipe();
  try {
    const code = await run(process.argv.slice(2));
    if (code !== RUNNING) process.exitCode = code;
  } catch (error) {
    note(`carillon: ${asError(error).message}`);
    if (error instanceof UsageError) note('carillon help shows how.');
    // At once: a driver that could not connect may have left a socket open.
    process.exit(error instanceof UsageError ? 2 : 1);
  }
}

await main();
