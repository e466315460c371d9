import type { OwnersProfile, Profile } from './profiles.ts';

const USUAL = {
  weight: 1,
  activeMs: [12_000, 18_000],
  sequencers: [2, 3],
  users: [2, 4],
  burstsPerSecond: 3,
  burstMax: 5,
  bytes: 20,
  membersPerSecond: 0.3,
  readsPerSecond: 0.7,
} as const;

/** Each seed's run is of one of these kinds. */
export const PROFILES: readonly (Profile | OwnersProfile)[] = [
  {
    ...USUAL,
    name: 'anything',
    weight: 5,
    activeMs: [14_000, 22_000],
    sequencers: [2, 4],
    users: [2, 6],
    faults: (p, activeMs) => p.any(3 + p.dice.below(6), 1_500, activeMs),
  },
  {
    ...USUAL,
    name: 'owner stopped at its work',
    weight: 2,
    burstsPerSecond: 6,
    membersPerSecond: 0.1,
    faults: (p) => {
      const at = p.ms([2_000, 4_000]);
      const does = p.of(['freeze', 'freeze', 'freeze', 'pause', 'crash', 'crash'] as const);
      const operation = p.of(['log.write', 'log.write', 'leases.barrier', 'leases.markDirty'] as const);
      // What is sent at that moment may be lost, and sent again when the owner goes on.
      if (p.chance(0.6))
        p.add(at, { t: 'storeTimeouts', ms: p.ms([1_000, 3_500]), share: 0.35, lwtShare: 0.1 });
      else p.add(at, { t: 'storeSlow', ms: 8_000, share: 0.3, slowMs: p.ms([50, 2_000]) });
      p.ambush(at + p.ms([0, 600]), operation, p.of(['sent', 'answered'] as const), 4, does, [4_300, 5_500]);
      if (p.chance(0.3)) p.add(p.ms([2_000, 4_000]), p.rough([2_000, 8_000]));
    },
  },
  {
    ...USUAL,
    name: 'taken over again and again',
    weight: 2,
    sequencers: [3, 4],
    activeMs: [16_000, 20_000],
    burstsPerSecond: 4,
    bytes: 9_000,
    burstMax: 8,
    faults: (p) => {
      // The first leaves a batch half written; the next, and who comes after that, find it, and don't get far.
      const at = p.ms([2_000, 3_000]);
      p.add(1_000, { t: 'storeLoss', ms: p.ms([3_000, 20_000]), share: 0.3 });
      p.add(at, { t: 'storeTimeouts', ms: p.ms([1_500, 3_000]), share: 0.4, lwtShare: 0.1 });
      p.ambush(at + 500, 'log.write', 'sent', 6, 'crash', [11_000, 13_000]);
      const work = [
        'log.writeFloor',
        'log.writeFloor',
        'log.rowsBackward',
        'log.floor',
        'leases.claim',
      ] as const;
      for (let i = 0; i < 2; i++) {
        const does = p.of(['crash', 'freeze', 'pause'] as const);
        const when = p.of(['sent', 'answered'] as const);
        p.ambush(
          at + 3_500 + 3_500 * i,
          p.of(work),
          when,
          2,
          does,
          [5_000, 7_000],
          p.of([0, 0, 10, 30, 80, 200]),
        );
      }
    },
  },
  {
    ...USUAL,
    name: 'last message lost',
    weight: 2,
    activeMs: [6_000, 6_000],
    users: [3, 5],
    burstsPerSecond: 7,
    burstMax: 2,
    membersPerSecond: 0,
    readsPerSecond: 0.1,
    faults: (p) => {
      const at = p.ms([5_000, 5_700]);
      p.add(at, { t: 'lastLost', ms: 2_000, slot: p.edge });
      if (p.chance(0.6)) {
        // Who sent it has its ack, and whoever could tell the others is no more.
        const slot = p.sequencer;
        p.add(p.ms([at + 50, 5_950]), { t: 'crash', slot, ms: 9_000 });
      } else if (p.chance(0.5)) {
        const device = p.device;
        p.add(p.ms([at, 5_950]), { t: 'deviceOffline', ms: p.ms([100, 1_500]), device, silent: false });
      }
    },
  },
  {
    ...USUAL,
    name: 'devices come and go',
    activeMs: [5_000, 8_000],
    burstsPerSecond: 2,
    burstMax: 2,
    readsPerSecond: 0,
    faults: (p, activeMs) => {
      for (let at = 1_500; at < activeMs; at += p.ms([200, 900]))
        p.add(at, { t: 'deviceOffline', ms: p.ms([50, 900]), device: p.device, silent: false });
    },
  },
  {
    ...USUAL,
    name: 'handed over under load',
    weight: 2,
    activeMs: [9_000, 14_000],
    sequencers: [2, 3],
    burstsPerSecond: 12,
    faults: (p) => {
      p.add(p.ms([2_500, 4_000]), { t: 'join', slot: p.nextSequencer });
      p.add(
        p.ms([4_000, 8_000]),
        p.chance(0.5)
          ? { t: 'drain', slot: p.sequencer, ms: p.ms([1_000, 4_000]) }
          : { t: 'leave', slot: p.sequencer, ms: 7_000 },
      );
      if (p.chance(0.6))
        p.add(p.ms([2_000, 4_000]), { t: 'storeSlow', ms: 6_000, share: 0.3, slowMs: p.ms([20, 600]) });
      if (p.chance(0.3))
        p.add(p.ms([2_500, 4_500]), { t: 'storeTimeouts', ms: 3_000, share: 0.1, lwtShare: 0.2 });
      if (p.chance(0.4))
        p.ambush(
          p.ms([2_500, 4_000]),
          'leases.release',
          p.of(['sent', 'answered']),
          2,
          p.of(['freeze', 'pause', 'crash']),
          [300, 6_000],
        );
      if (p.chance(0.3)) p.add(p.ms([2_500, 5_000]), p.rough([1_000, 4_000]));
    },
  },
  {
    ...USUAL,
    name: 'an edge with an old ring',
    activeMs: [9_500, 9_500],
    sequencers: [2, 2],
    burstsPerSecond: 6,
    burstMax: 2,
    readsPerSecond: 0.2,
    membersPerSecond: 0,
    faults: (p) => {
      const at = p.ms([2_500, 3_000]);
      const ms = p.ms([4_800, 5_800]);
      p.add(at, { t: 'freeze', slot: p.sequencer, ms });
      p.add(at + 300, { t: 'storeCut', slot: p.edge, ms: 7_000 });
      for (let read = at + 4_500; read < at + ms + 700; read += 60) p.read(read);
    },
  },
  {
    ...USUAL,
    name: 'an id from long ago',
    weight: 0.3,
    activeMs: [15_000, 15_000],
    sequencers: [2, 2],
    users: [2, 3],
    burstsPerSecond: 1,
    membersPerSecond: 0,
    readsPerSecond: 0.1,
    flood: { at: 9_000, count: 1_200 },
    faults: (p) => {
      const device = p.device;
      p.add(2_500, { t: 'deviceDeaf', ms: 1_500, offlineMs: 9_000, device });
      p.say(2_600, device, 8);
      p.add(p.ms([2_700, 4_000]), { t: 'crash', slot: p.sequencer, ms: 9_000 });
      p.add(p.ms([2_700, 4_000]), { t: 'crash', slot: p.sequencer, ms: 9_000 });
    },
  },
  { name: 'owners alone', weight: 7.5, owners: true },
];
