import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDir } from './scratch-dir.ts';
import { runTool } from './service-process.ts';

/** Of Debian's libfaketime, whose folder names the machine's architecture. */
const LIBRARY_FOLDERS = '/usr/lib/*-linux-gnu/faketime';
const LIBRARY = 'libfaketimeMT.so.1';

/** A process's wall clock, to be set apart from the machine's; its monotonic clock goes on as it is. */
export interface FakeClock {
  /** Variables of the process whose clock it is. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on, within a second, its wall clock is so far from the machine's. */
  jump(seconds: number): void;
}

export interface FakeClocks {
  clock(name: string): FakeClock;
  stop(): void;
}

export async function fakeClocks(): Promise<FakeClocks> {
  const library = find() ?? (await install());
  const dir = scratchDir('clocks');
  return {
    clock(name) {
      const file = join(dir.path, name.replaceAll(' ', '-'));
      const set = (seconds: number): void => {
        writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
        renameSync(`${file}.new`, file); // never half read
      };
      set(0);
      const env = {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_CACHE_DURATION: '1',
        DONT_FAKE_MONOTONIC: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };
      return { env, jump: set };
    },
    stop: () => dir.remove(),
  };
}

async function install(): Promise<string> {
  await runTool('apt-get', ['install', '-y', '-qq', 'libfaketime'], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
  const library = find();
  if (library === undefined) throw new Error(`${LIBRARY} is not in ${LIBRARY_FOLDERS}`);
  return library;
}

function find(): string | undefined {
  return ['x86_64', 'aarch64']
    .map((arch) => join(LIBRARY_FOLDERS.replace('*', arch), LIBRARY))
    .find(existsSync);
}
