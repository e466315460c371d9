/** What is searched: the protocol in several sizes, and each mutant of it. */
export interface Run {
  readonly name: string;
  readonly what: string;
  /** Macros of ownership.pml. */
  readonly defines: readonly string[];
  /** Whether a behaviour that breaks a promise must exist. */
  readonly mutant: boolean;
  /** Searched with `--large`, or by name. */
  readonly large: boolean;
}

function size(name: string, what: string, defines: readonly string[], large = false): Run {
  return { name, what, defines, mutant: false, large };
}

/** The macro is the name in capitals. */
function mutant(name: string, what: string): Run {
  return { name, what, defines: [name.toUpperCase().replaceAll('-', '_')], mutant: true, large: false };
}

export const RUNS: readonly Run[] = [
  size('history', '2 nodes, 3 claims and releases, 2 seqs; edges read history', ['EDGE']),
  size('three-nodes', '3 nodes, 2 claims and releases, 2 seqs', ['NODES=3', 'FENCES=3']),
  size('three-seqs', '2 nodes, 2 claims and releases, 3 seqs', ['FENCES=3', 'SEQS=3']),
  size('three-replicas', '2 nodes, 2 claims and releases, 2 seqs; each replica by itself', [
    'FENCES=3',
    'THREE_REPLICAS',
  ]),
  size('large-seqs', '2 nodes, 3 claims and releases, 3 seqs; edges read history', ['SEQS=3', 'EDGE'], true),
  size('large-fences', '2 nodes, 4 claims and releases, 2 seqs', ['FENCES=5'], true),
  size('large-nodes', '3 nodes, 3 claims and releases, 2 seqs', ['NODES=3'], true),

  mutant('no-barrier', 'acknowledges without a barrier'),
  mutant('barrier-early', 'the barrier starts before the write returned'),
  mutant('read-without-barrier', 'answers a read from memory without a barrier'),
  mutant('no-rewrite', 'does not rewrite the uncertain tail'),
  mutant('no-floor', 'serves without a floor'),
  mutant('no-recovery-barrier', 'serves without a barrier after the floor'),
  mutant('floor-before-claim', 'reads the floor before the claim'),
  mutant('fences-rise', 'ends the prefix where the fences fall'),
  mutant('fence-reused', 'reads an unfinished recovery again at the same fence'),
  mutant('commit-one', 'LWTs committed at one replica'),
  mutant('death-by-read', 'claims by what a plain read says of a death'),
  mutant('release-in-flight', 'releases with a batch in flight, and acknowledges it'),
  mutant('release-unsettled', 'releases with a batch of unknown outcome'),
  mutant('seal-after-release', 'seals after the release'),
  mutant('word-twice', 'uses the word of a release twice'),
];
