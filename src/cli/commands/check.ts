import { asError } from '../../client/errors.ts';
import { type Flags, noWords, readFlags } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import { note, printable, printLine, progress, table } from '../output.ts';

const FLAGS = {
  'data-dir': { type: 'string', value: 'DIR', help: 'the store (CARILLON_DATA_DIR, else ./data)' },
  json: { type: 'boolean', help: 'one JSON object per damage, then one with the counts' },
} as const satisfies Flags;

export const check: Command = {
  name: 'check',
  usage: 'check [--data-dir DIR]',
  summary: 'Walks a store and verifies its density, checksums and projections; exit code 1 on damage.',
  help: `No server may run on it: it is not checked then (exit code 2).\n\n${flagSection(FLAGS)}`,
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    noWords(words);
    const dir = flags['data-dir'] ?? (process.env.CARILLON_DATA_DIR || './data');
    const { checkStore } = await import('../../adapters/lmdb/check.ts');
    try {
      const { conversations, rows, damages, damageCount } = await checkStore(dir, progress);
      progress('');
      const unshown = damageCount > damages.length ? ` (the first ${damages.length} are shown)` : '';
      if (flags.json) {
        for (const damage of damages) await printLine(JSON.stringify(damage));
        await printLine(JSON.stringify({ conversations, rows, damages: damageCount }));
      } else {
        if (damages.length > 0) {
          const lines = damages.map(({ conv, seq, what }) => [
            conv,
            seq === undefined ? '' : String(seq),
            printable(what),
          ]);
          await printLine(`${table([['conversation', 'seq', 'damage'], ...lines])}\n`);
        }
        await printLine(
          `${dir}: ${conversations} conversations, ${rows} events, ${damageCount} damages${unshown}`,
        );
      }
      return damageCount === 0 ? 0 : 1;
    } catch (error) {
      progress('');
      note(`carillon: ${asError(error).message}`);
      return 2; // not checked: a server holds it, or it is no store
    }
  },
};
