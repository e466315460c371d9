/** The places where a house rule does not hold, each with its reason. One that is no longer needed fails the test. */
export interface Exemption {
  readonly rule: string;
  readonly path: string;
  readonly reason: string;
}

const BARE = 'measures the bare library, without our adapter';

export const EXEMPTIONS: readonly Exemption[] = [
  { rule: 'drivers-in-their-adapter', path: 'bench/baselines/echo-server.ts', reason: BARE },
  { rule: 'drivers-in-their-adapter', path: 'bench/baselines/publish-server.ts', reason: BARE },
  { rule: 'drivers-in-their-adapter', path: 'bench/baselines/driver-append.ts', reason: BARE },
];
