import { embedded } from '../scenarios/deployment.ts';
import { freePort, scratchDir } from '../support/server-process.ts';
import { crashRounds } from './crash.ts';
import { isClean } from './history.ts';

const ACKED_PER_ROUND = 5_200;

/** The whole crash test of the embedded server, whose moments are random by design. Resolves with the exit code. */
export async function embeddedCrashes(rounds: number, json: boolean): Promise<number> {
  const dir = scratchDir('chaos');
  try {
    const verdict = await crashRounds({
      rounds,
      conversations: 50,
      ackedPerRound: ACKED_PER_ROUND,
      deployment: await embedded({
        dataDir: dir.path,
        port: await freePort(),
        env: { CARILLON_SENDS_PER_SECOND: '100000', CARILLON_SEND_BURST: '100000' },
      }),
      progress: (line) => console.error(line),
    });
    const { acked, lost, duplicated, reordered, gaps, examples } = verdict;
    if (json) console.log(JSON.stringify({ rounds, ...verdict }));
    else {
      console.table([{ rounds, acked, lost, duplicated, reordered, gaps }]);
      for (const example of examples) console.log(example);
    }
    return isClean(verdict) ? 0 : 1;
  } finally {
    dir.remove();
  }
}
