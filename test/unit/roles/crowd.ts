import assert from 'node:assert/strict';
import type { ConversationRequest, SendRequest } from '../../../src/core/requests.ts';
import { cmid, createGroup, history, members, read, send } from '../actors/requests.ts';
import { inShort } from '../actors/stage.ts';
import type { EdgeNode, ScriptedSession } from '../peer/edge-node.ts';
import type { Dice } from '../peer/rough-bus.ts';
import { refusals, type World } from './term-world.ts';

/** Clients that talk in several conversations, and all that was asked beside. */
export class Crowd {
  readonly world: World;
  readonly convs: string[] = [];
  readonly sessions: { edge: EdgeNode; session: ScriptedSession }[] = [];
  /** What each session said in each conversation, in its order. */
  readonly said = new Map<string, string[]>();
  readonly retried: { asked: SendRequest; seq: number }[] = [];
  readonly asked: { edge: EdgeNode; request: ConversationRequest }[] = [];
  readonly #cursors = new Map<string, number>();
  #lastSession = 500;

  constructor(world: World) {
    this.world = world;
  }

  async start(convs: number): Promise<void> {
    const { a, b } = this.world;
    for (const user of ['ann', 'bob', 'cat']) {
      const edge = user === 'bob' ? b : a;
      this.sessions.push({ edge, session: edge.connect(user) });
    }
    await this.world.pass(100);
    for (let i = 0; i < convs; i++) {
      const create = createGroup(['ann', 'bob', 'cat', 'eve'], { session: 1, conv: cmid(5_000 + i) });
      assert.equal(await this.world.ask(a, create), 'created');
      this.convs.push(create.conv);
    }
  }

  /** Everyone says something everywhere. */
  sayAll(): void {
    for (const conv of this.convs) for (const one of this.sessions) this.say(one, conv);
  }

  say({ edge, session }: Crowd['sessions'][number], conv: string): void {
    const lane = `${edge.id} ${session.number} ${conv}`;
    const said = this.said.get(lane) ?? [];
    said.push(edge.say(session, conv));
    this.said.set(lane, said);
  }

  /** One thing or another, by chance. */
  act(dice: Dice): void {
    const one = this.sessions[dice.below(this.sessions.length)] as Crowd['sessions'][number];
    const conv = this.convs[dice.below(this.convs.length)] as string;
    const { edge, session } = one;
    const common = { conv, session: ++this.#lastSession };
    switch (dice.below(8)) {
      case 0:
        this.retry(one, conv, dice);
        break;
      case 1:
        this.ask(edge, history(session.user, common));
        break;
      case 2:
        this.ask(edge, members(session.user, undefined, common));
        break;
      case 3: {
        const op = dice.happens(0.5) ? 'add' : 'remove';
        this.ask(this.world.a, members('ann', { op, users: ['dan'] }, common));
        break;
      }
      case 4: {
        const seq = session.heads.get(conv) ?? 0;
        edge.ask(read('eve', seq, common));
        this.#cursors.set(conv, Math.max(seq, this.#cursors.get(conv) ?? 0));
        break;
      }
      default:
        this.say(one, conv);
    }
  }

  ask(edge: EdgeNode, request: ConversationRequest): void {
    this.asked.push({ edge, request: edge.ask(request) });
  }

  retry({ edge, session }: Crowd['sessions'][number], conv: string, dice: Dice): void {
    const acked = (this.said.get(`${edge.id} ${session.number} ${conv}`) ?? []).filter((id) =>
      edge.acked.has(id),
    );
    const id = acked[dice.below(acked.length)];
    if (id === undefined) return;
    const { user, device } = session;
    const again = send(user, id, {
      conv,
      device,
      session: ++this.#lastSession,
      text: `text of ${id}`,
      retry: true,
    });
    this.retried.push({ asked: edge.ask(again), seq: edge.acked.get(id) as number });
    this.asked.push({ edge, request: this.retried.at(-1)?.asked as SendRequest });
  }

  async settle(): Promise<void> {
    const { a, b } = this.world;
    await this.world.until('all is acknowledged', () => a.idle && b.idle, 30_000);
    await this.world.live(9_000);
  }

  /** `isFair`: nothing was lost, so nobody may have been refused. */
  async check(isFair: boolean): Promise<void> {
    const { world } = this;
    for (const { edge, request } of this.asked)
      assert.ok(edge.answered.has(request), `a ${request.t} was never answered`);
    for (const { asked, seq } of this.retried) {
      const said = [world.a, world.b]
        .map((edge) => inShort(edge.answered.get(asked)))
        .find((it) => it !== 'nothing');
      if (isFair || said?.startsWith('ack') === true) assert.equal(said, `ack ${seq} again`);
    }
    if (isFair) assert.deepEqual([...refusals(world.a), ...refusals(world.b)], []);
    const acked = new Map([...world.a.acked, ...world.b.acked]);
    for (const conv of this.convs) await this.#checkConversation(conv, acked);
  }

  async #checkConversation(conv: string, acked: ReadonlyMap<string, number>): Promise<void> {
    const { store } = this.world;
    const said = [...this.said].filter(([lane]) => lane.endsWith(conv));
    const here = new Map<string, number>();
    for (const [lane, ids] of said) {
      const seqs = ids.map((id) => acked.get(id) as number);
      assert.deepEqual(
        seqs,
        [...seqs].sort((one, other) => one - other),
        `${lane} in its order`,
      );
      ids.forEach((id, i) => here.set(id, seqs[i] as number));
    }
    const { length: head } = await this.world.checkLog(conv, here);
    for (const { session } of this.sessions)
      assert.equal(session.heads.get(conv), head, `${session.user} knows`);
    const row = await store.inboxRow('eve', conv);
    assert.deepEqual([row?.entry.head, row?.entry.read], [head, this.#cursors.get(conv) ?? 1]);
  }
}
