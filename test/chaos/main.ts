/** `npm run chaos`: the whole crash test. `--rounds N`, `--seed` free: the moments are random by design. */
import { parseArgs } from 'node:util';
import { freePort, scratchDir } from '../support/server-process.ts';
import { crashRounds } from './crash.ts';
import { isClean } from './history.ts';

const ACKED_PER_ROUND = 5_200;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, json: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1_000) {
  console.error(`--rounds: ${values.rounds} should be an integer from 1 to 1000`);
  process.exit(2);
}

const dir = scratchDir('chaos');
try {
  const verdict = await crashRounds({
    rounds,
    conversations: 50,
    ackedPerRound: ACKED_PER_ROUND,
    server: {
      dataDir: dir.path,
      port: await freePort(),
      env: { CARILLON_SENDS_PER_SECOND: '100000', CARILLON_SEND_BURST: '100000' },
    },
    progress: (line) => console.error(line),
  });
  const { acked, lost, duplicated, reordered, gaps, examples } = verdict;
  if (values.json) console.log(JSON.stringify({ rounds, ...verdict }));
  else {
    console.table([{ rounds, acked, lost, duplicated, reordered, gaps }]);
    for (const example of examples) console.log(example);
  }
  if (!isClean(verdict)) process.exitCode = 1;
} finally {
  dir.remove();
}
