/** `find` must be in the file exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A deliberate fault in the protocol. */
export interface Mutant {
  readonly name: string;
  readonly breaks: string;
  readonly patches: readonly Patch[];
  /** What another step of ours or a store's kindness would hide, taken away: with this alone every seed passes. */
  readonly without?: readonly Patch[];
  /** Where it shows soonest: run first. */
  readonly profile: string;
}

const ACQUIRE = 'cluster/acquire.ts';
const COMMITTED = 'cluster/committed-log.ts';
const HANDOFF = 'cluster/handoff.ts';
const WALK = 'cluster/log-walk.ts';
const SIM_STORE = 'test/sim/store/sim-store.ts';

const BARRIER = `    if (!(await barrier.pass(deadline - system.monotonic()))) return this.#unknown(owned);\n`;
const WRITE = `    const written = batch.rows.length === 0 ? 'written' : await this.#write(batch, deadline);\n`;

const OWNERS = 'owners alone';
const AGAIN = 'taken over again and again';
const LAST = 'last message lost';

/**
 * A batch is one mutation of one partition, so a replica has all of it or nothing. The protocol does not count on
 * that: here the rows of a batch come one by one.
 */
const TORN_BATCHES: readonly Patch[] = [
  {
    file: 'test/sim/store/log-table.ts',
    find: "    return this.#route.write('append', { partition: `${logPrefix(conv)}${bucket}`, cells });\n",
    replace:
      "    const partition = `${logPrefix(conv)}${bucket}`;\n    return combined(await Promise.all(cells.map((cell) => this.#route.write('append', { partition, cells: [cell] }))));\n",
  },
];

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no-barrier',
    breaks: 'A batch counts as committed once it is written, whether or not its owner still lives.',
    profile: OWNERS,
    patches: [{ file: COMMITTED, find: BARRIER, replace: '' }],
  },
  {
    name: 'barrier-before-write',
    breaks: 'The barrier is passed before the write has returned.',
    profile: OWNERS,
    patches: [
      { file: COMMITTED, find: BARRIER, replace: '' },
      { file: COMMITTED, find: WRITE, replace: BARRIER + WRITE },
    ],
  },
  {
    name: 'fence-not-raised',
    breaks: 'Who claims a conversation goes on under the fence of the owner before.',
    profile: OWNERS,
    patches: [
      {
        file: ACQUIRE,
        find: 'return this.#recover(conv, fence + 1, head);',
        replace: 'return this.#recover(conv, fence, head);',
      },
    ],
  },
  {
    name: 'death-by-plain-read',
    breaks: 'A node is taken for dead by what was read of it: nobody kills it.',
    profile: OWNERS,
    patches: [
      {
        file: ACQUIRE,
        find: '    if (this.#confirmedDead.has(node)) return true;\n',
        replace:
          "    const { watcher } = this.#o;\n    if (watcher.isSuspect(node) || watcher.get(node)?.state === 'dead') return true;\n",
      },
    ],
  },
  {
    name: 'no-rewrite',
    breaks: 'A recovery takes the uncertain tail as it finds it, and writes nothing of it.',
    profile: OWNERS,
    patches: [
      {
        file: ACQUIRE,
        find: '    if (!(await this.#rewrite(conv, uncertain, fence, c))) throw unsecured(conv);\n',
        replace: '    void uncertain;\n    void c;\n',
      },
    ],
  },
  {
    name: 'no-prefix',
    breaks:
      'A recovery keeps what lies behind a hole. With whole batches, one in flight and a floor there are no holes but in what is void, so batches are torn here.',
    profile: OWNERS,
    without: TORN_BATCHES,
    patches: [
      {
        file: WALK,
        find: 'if (isVoid(row, floor) || row.seq !== last + 1) continue;',
        replace: 'if (isVoid(row, floor) || row.seq <= last) continue;',
      },
      { file: WALK, find: '      last++;\n', replace: '      last = row.seq;\n' },
    ],
  },
  {
    name: 'floor-not-written',
    breaks: 'A recovery leaves no floor: what it did not see may come to light later.',
    profile: OWNERS,
    patches: [
      {
        file: ACQUIRE,
        find: "    const written = await log.writeFloor(conv, { fence, start: last + 1 });\n    if (written !== 'written') throw unsecured(conv);\n",
        replace: '',
      },
    ],
  },
  {
    name: 'floor-not-heeded',
    breaks: 'A recovery takes rows that the floor has made void.',
    profile: OWNERS,
    patches: [
      {
        file: WALK,
        find: '  return floor !== undefined && row.seq >= floor.start && row.fence < floor.fence;',
        replace: '  return floor !== undefined && row.seq < 0;',
      },
    ],
  },
  {
    name: 'no-barrier-after-recovery',
    breaks: 'A recovery serves without having seen that its node still lives.',
    profile: OWNERS,
    patches: [
      {
        file: ACQUIRE,
        find: '    if (!(await barrier.pass(BARRIER_MS_MAX))) throw unsecured(conv);\n    this.#o.counts.takeovers++;',
        replace: '    void barrier;\n    this.#o.counts.takeovers++;',
      },
    ],
  },
  {
    name: 'no-barrier-for-reads',
    breaks: 'A page is answered by whoever believes to be the owner.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: '    return this.#o.barrier.pass(READ_CONFIRM_MS_MAX);',
        replace: '    return Promise.resolve(READ_CONFIRM_MS_MAX > 0);',
      },
    ],
  },
  {
    name: 'lwt-at-one',
    breaks: 'Conditional writes are committed at one replica: a barrier may miss a death.',
    profile: OWNERS,
    patches: [
      {
        file: SIM_STORE,
        find: '{ commitNeed: 2 }',
        replace: '{ commitNeed: 1 }',
      },
    ],
  },
  {
    name: 'reads-at-one',
    breaks: 'Plain reads, barriers among them, ask one replica.',
    profile: OWNERS,
    patches: [
      {
        file: SIM_STORE,
        find: '      readNeed: 2,\n',
        replace: '      readNeed: 1,\n',
      },
    ],
  },
  {
    name: 'fences-must-rise',
    breaks:
      'A fence that falls along the seqs is taken for the end of the log. A tail is one batch, so a rewrite of it is whole or nothing, and what is committed does not fall: batches are torn here.',
    profile: OWNERS,
    without: TORN_BATCHES,
    patches: [
      { file: WALK, find: '  let fenceMax = 0;\n', replace: '  let fenceMax = 0;\n  let rising = 0;\n' },
      {
        file: WALK,
        find: 'if (isVoid(row, floor) || row.seq !== last + 1) continue;',
        replace:
          'if (isVoid(row, floor) || row.seq !== last + 1 || row.fence < rising) continue;\n      rising = row.fence;',
      },
    ],
  },
  {
    name: 'clock-lease',
    breaks: 'An owner trusts its own clock instead of asking whether it lives.',
    profile: OWNERS,
    patches: [
      {
        file: 'cluster/barrier.ts',
        find: '      const row = await this.#table.barrier(this.#term.node);\n',
        replace:
          "      await this.#table.barrier(this.#term.node);\n      const row = { state: this.#term.state === 'over' ? 'dead' : 'live' };\n",
      },
    ],
  },
  {
    name: 'sealed-after-release',
    breaks: 'A conversation is released while its owner still serves it.',
    profile: OWNERS,
    patches: [
      { file: HANDOFF, find: '    cell.moving = true;\n', replace: '' },
      {
        file: HANDOFF,
        find: '    host.seal(cell);\n    return log.release(',
        replace: '    const isReleased = await log.release(',
      },
      {
        file: HANDOFF,
        find: '      offer(next, cell.conv, fence, state);\n    });\n',
        replace:
          '      offer(next, cell.conv, fence, state);\n    });\n    host.seal(cell);\n    return isReleased;\n',
      },
    ],
  },
  {
    name: 'handed-over-in-flight',
    breaks: 'A conversation is handed over with a batch in flight.',
    profile: OWNERS,
    patches: [
      { file: HANDOFF, find: 'cell.settled && this', replace: 'this' },
      { file: HANDOFF, find: '(this.#isWritten(conv) && cell.settled),', replace: 'this.#isWritten(conv),' },
    ],
  },
  {
    name: 'retry-with-other-bytes',
    breaks: 'The seqs of a batch of unknown outcome are given to other messages under the same fence.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: "      if (outcome === 'unavailable' && tries === 0) return outcome;",
        replace: "      if (tries === 0) return 'unavailable';",
      },
    ],
  },
  {
    name: 'ack-before-commit',
    breaks: 'Senders are told before the write has returned.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: WRITE,
        replace:
          "    if (batch.rows.length > 0) void this.#write(batch, deadline);\n    const written = 'written' as WriteOutcome;\n",
      },
    ],
  },
  {
    name: 'unsettled-taken-for-settled',
    breaks: 'A term with a write of unknown outcome is resumed without a claim.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: '    if (!atRest || !owned.clean) this.#o',
        replace: '    if (conv === "") this.#o',
      },
    ],
  },
  {
    name: 'committed-after-its-term',
    breaks: 'A batch counts as committed when its node lives, though that has let the term go and recovered.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: '    if (this.#owned.get(batch.conv) !== owned) return this.#unknown(owned);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'ids-not-caught-up',
    breaks: 'A recovery does not index the ids that the owner before had not indexed.',
    profile: OWNERS,
    patches: [
      {
        file: COMMITTED,
        find: '    if (recovered) await dedup.catchUp(conv, tail.at(-1)?.x ?? 0, tail);\n    else dedup.resume(conv, head);',
        replace: '    dedup.resume(conv, recovered && tail.length < 0 ? 0 : head);',
      },
    ],
  },
  {
    name: 'prefs-unordered',
    breaks: 'All that members set in one term bears the same time.',
    profile: 'anything',
    patches: [
      {
        file: 'actors/prefs.ts',
        find: 'fence * CHANGES_MAX + Math.min(n, CHANGES_MAX - 1)',
        replace: 'fence * CHANGES_MAX + Math.min(n, 0)',
      },
    ],
  },
  {
    name: 'mention-unmarked',
    breaks: 'A message with mentions does not count as one that changes member rows.',
    profile: AGAIN,
    patches: [
      { file: 'actors/draft.ts', find: '    if (mentions !== undefined) this.m = seq;\n', replace: '' },
    ],
  },
  {
    name: 'settings-by-anyone',
    breaks: 'A change of settings holds whatever was changed since its edge asked for it.',
    profile: 'anything',
    patches: [
      {
        file: 'cluster/users/settings-changes.ts',
        find: '    if (base !== before.at) {\n',
        replace: '    if (base < 0) {\n',
      },
    ],
  },
  {
    name: 'watch-stays',
    breaks: 'Edges go on asking a node about users whose home it is no more, dead or alive.',
    profile: AGAIN,
    patches: [
      {
        file: 'cluster/peer/watching.ts',
        find: '    for (const [user, node] of this.#told) this.#place(user, node);\n',
        replace:
          '    for (const [user, node] of this.#told) if (node === undefined) this.#place(user, node);\n',
      },
    ],
  },
  {
    name: 'no-beacon',
    breaks: 'Links say nothing of themselves: a lost last frame is never missed.',
    profile: LAST,
    patches: [{ file: 'cluster/peer/peer-links.ts', find: '      else link.beacon();\n', replace: '' }],
  },
  {
    name: 'offline-forgotten',
    breaks: 'Owners do not remember whom they could not tell.',
    profile: 'devices come and go',
    patches: [
      {
        file: 'cluster/peer/whereabouts.ts',
        find: '    news.tell(edge, user, since);\n    announce(user);\n',
        replace: '    void [since, news, announce];\n',
      },
    ],
  },
  {
    name: 'dirty-not-walked',
    breaks: 'Nobody looks after what a dead owner had told nobody.',
    profile: LAST,
    patches: [{ file: 'cluster/dead-nodes.ts', find: '      void this.#walkNode(row);\n', replace: '' }],
  },
  {
    name: 'ordinals-ignored',
    breaks: 'A send is taken although one before it in its session was refused.',
    profile: AGAIN,
    patches: [
      {
        file: 'actors/session-ordinals.ts',
        find: "    if (ordinal !== base && ordinal !== next) return 'early';\n",
        replace: "    if (ordinal !== base && ordinal !== next && ordinal < 0) return 'early';\n",
      },
    ],
  },
  {
    name: 'removed-still-told',
    breaks: 'A removed member goes on being sent what follows.',
    profile: 'anything',
    patches: [
      {
        file: 'cluster/peer/recipients.ts',
        find: '    for (const user of before) if (!after.has(user)) this.#removeUser(recipients, user);\n',
        replace:
          '    for (const user of before) if (!after.has(user) && user === "") this.#removeUser(recipients, user);\n',
      },
    ],
  },
];
