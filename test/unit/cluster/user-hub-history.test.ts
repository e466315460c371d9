/** Whatever happens, in whatever order, those who watch end up with the truth, and hear nothing twice. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { StateDelivery } from '../../../src/core/requests.ts';
import { UserRig } from './user-rig.ts';

const USERS = ['ann', 'bob', 'cat'];
const EDGES = ['e1', 'e2'];
/** Longer than the grace, a tick, and what a read may wait. */
const QUIET_MS = 12_000;

type Step =
  | { readonly t: 'came' | 'left'; readonly user: string }
  | { readonly t: 'watch' | 'unwatch'; readonly user: string; readonly edge: string }
  | { readonly t: 'again' | 'gone'; readonly edge: string }
  | { readonly t: 'wait'; readonly ms: number }
  | { readonly t: 'store'; readonly isHeld: boolean };

const user = fc.constantFrom(...USERS);
const edge = fc.constantFrom(...EDGES);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ t: fc.constantFrom('came' as const, 'left' as const), user }) },
    {
      weight: 4,
      arbitrary: fc.record({
        t: fc.constantFrom('watch' as const, 'watch' as const, 'unwatch' as const),
        user,
        edge,
      }),
    },
    { weight: 1, arbitrary: fc.record({ t: fc.constantFrom('again' as const, 'gone' as const), edge }) },
    {
      weight: 5,
      arbitrary: fc.record({
        t: fc.constant('wait' as const),
        ms: fc.oneof(fc.constantFrom(1, 50, 100, 9_900, 10_000, 10_100), fc.nat(11_000)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ t: fc.constant('store' as const), isHeld: fc.boolean() }) },
  ),
  { maxLength: 30 },
);

/** The truth about users, and what each edge was told of those it watches since it asked last. */
class Model {
  readonly online = new Set<string>();
  /** When each left last, Unix ms. */
  readonly left = new Map<string, number>();
  readonly #watches = new Map<string, StateDelivery['state'][]>();
  /** Kept until the end: what throws in the hub's own turn may be caught there. */
  readonly faults: string[] = [];

  watch(edge: string, user: string): void {
    this.#watches.set(`${edge} ${user}`, []);
  }
  unwatch(edge: string, user: string): void {
    this.#watches.delete(`${edge} ${user}`);
  }
  ofEdge(edge: string): string[] {
    return USERS.filter((user) => this.#watches.has(`${edge} ${user}`));
  }

  told({ edge, state }: StateDelivery): void {
    const told = this.#watches.get(`${edge} ${state.user}`);
    const last = told?.at(-1);
    if (told === undefined) this.faults.push(`${edge} does not watch ${state.user}`);
    else if (last !== undefined && isDeepStrictEqual(comparable(state), comparable(last)))
      this.faults.push(`${edge} is told twice of ${state.user}`);
    told?.push(state);
  }

  check(): void {
    assert.deepEqual(this.faults, []);
    for (const [watch, told] of this.#watches) {
      const user = watch.split(' ')[1] as string;
      const isOnline = this.online.has(user);
      const seen = isOnline ? 0 : (this.left.get(user) ?? 0);
      const last = told.at(-1);
      assert.ok(last !== undefined, `${watch}: nothing was told`);
      assert.deepEqual(comparable(last), { online: isOnline, seen }, watch);
    }
  }
}

/** Of who is online, when that was before says nothing. */
function comparable({ online, seen }: StateDelivery['state']): { online: boolean; seen: number } {
  return { online, seen: online ? 0 : seen };
}

async function take(rig: UserRig, model: Model, step: Step): Promise<void> {
  switch (step.t) {
    case 'came':
      model.online.add(step.user);
      return rig.come(step.user);
    case 'left':
      // Owners say so only of one who was there.
      if (!model.online.delete(step.user)) return;
      model.left.set(step.user, rig.system.now());
      return rig.leave(step.user);
    case 'watch':
      model.watch(step.edge, step.user);
      return rig.hub.watch(step.edge, step.user);
    case 'unwatch':
      model.unwatch(step.edge, step.user);
      return rig.hub.unwatch(step.edge, step.user);
    case 'again':
      for (const each of model.ofEdge(step.edge)) model.watch(step.edge, each);
      return rig.hub.tellAgain(step.edge);
    case 'gone':
      for (const each of USERS) model.unwatch(step.edge, each);
      return rig.hub.edgeGone(step.edge);
    case 'store':
      if (step.isHeld) rig.store.hold('read');
      else rig.store.release('read');
      return rig.system.settle();
    case 'wait':
      return rig.advance(step.ms);
  }
}

test('after any history each edge that watches was told the truth last, and nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const rig = new UserRig();
      const model = new Model();
      rig.deliver = (delivery) => {
        assert.equal(delivery.t, 'state');
        if (delivery.t === 'state') model.told(delivery);
      };
      for (const step of history) await take(rig, model, step);
      rig.store.release('read');
      await rig.advance(QUIET_MS);
      model.check();
      const watched = new Set(EDGES.flatMap((each) => model.ofEdge(each)));
      assert.equal(rig.metrics.gauges.watchedUsers, watched.size);
    }),
    { numRuns: 300 },
  );
});
