import { StoreUnavailable } from '../../../src/core/ports.ts';
import { messageCmid, messageText } from '../../../src/protocol/message-frame.ts';
import type { OwnerNode, Page } from './node.ts';
import type { OwnersWorld } from './world.ts';

const INTERVAL_MS = [20, 250] as const;

/** Reads on, whoever says that it may tell, from where it is. */
export class Reader {
  readonly user: string;
  readonly #world: OwnersWorld;
  readonly #conv: string;
  #last = 0;
  #isReading = false;

  constructor(world: OwnersWorld, number: number, conv: string) {
    this.#world = world;
    this.#conv = conv;
    this.user = `r${number}`;
  }

  begin(): void {
    const { dice, system } = this.#world;
    const [min, max] = INTERVAL_MS;
    system.after(min + dice.below(max - min), () => {
      this.begin();
      const node = this.#world.nodeFor(undefined);
      if (node !== undefined) node.system.soon(() => void this.#read(node));
    });
  }

  async #read(node: OwnerNode): Promise<void> {
    if (this.#isReading) return; // a page that comes late would be behind what is shown
    this.#isReading = true;
    const startedAt = this.#world.system.monotonic();
    const after = this.#last;
    // A node that is stopped answers late or never: nobody waits for it.
    const page = await node.read(this.#conv, after).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) this.#world.failed(node, error);
      return undefined;
    });
    this.#isReading = false;
    if (page !== undefined) this.#show(page, startedAt, after);
  }

  #show({ head, rows }: Page, startedAt: number, after: number): void {
    const { user } = this;
    const { history, system } = this.#world;
    const seqs = rows.map(({ seq }) => seq);
    const more = rows.length > 0 && (rows.at(-1)?.seq ?? 0) < head;
    const whose = { user, device: user, conv: this.#conv };
    history.reads.push({
      ...whose,
      startedAt,
      at: system.monotonic(),
      after,
      before: undefined,
      head,
      more,
      seqs,
    });
    for (const { seq, env } of rows) {
      history.shown.push({ ...whose, life: 1, seq, cmid: messageCmid(env), body: messageText(env) });
      this.#last = seq;
    }
  }
}
