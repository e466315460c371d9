import { type Flags, flagsHelp } from './args.ts';

export interface Command {
  readonly name: string;
  /** The words behind `carillon`: `send --to USER TEXT`. */
  readonly usage: string;
  readonly summary: string;
  /** Further paragraphs, and the flags. */
  readonly help: string;
  /** Resolves with the exit code. Throws a UsageError on a wrong command line. */
  run(args: readonly string[]): Promise<number>;
}

export function helpOf(command: Command): string {
  return `carillon ${command.usage}\n\n${command.summary}\n\n${command.help}`;
}

export function flagSection(flags: Flags): string {
  return `Flags:\n${flagsHelp(flags)}`;
}
