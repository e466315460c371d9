import { loadConfig, settingsHelp } from '../../config.ts';
import type { Command } from '../command.ts';
import { note } from '../output.ts';

export const start: Command = {
  name: 'start',
  usage: 'start [--SETTING VALUE …]',
  summary: 'Runs a server until SIGTERM or Ctrl-C, and prints its address.',
  help: `Settings, as a flag or a variable (default):\n${settingsHelp()}`,
  async run(args) {
    const loaded = loadConfig(args, process.env);
    for (const warning of loaded.warnings) note(`carillon: ${warning}`);
    if (!loaded.ok) {
      for (const problem of loaded.problems) note(`carillon: ${problem}`);
      note('carillon start --help lists the settings.');
      return 2;
    }
    const { startServer } = await import('../../main.ts'); // none of the other commands needs a server loaded
    const server = await startServer(loaded.config);
    process.stdout.write(`Carillon serves at ${server.url}\n`);
    return RUNNING;
  },
};

/** The server keeps the process; its lifecycle ends it, with an exit code of its own. */
export const RUNNING = -1;
