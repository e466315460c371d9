import type { ConversationId, Seq } from '../core/ids.ts';
import type { OwnerLink } from '../core/ports.ts';
import type { Answer, ConversationRequest } from '../core/requests.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Replies } from './replies.ts';
import { historyRequest } from './requests.ts';
import type { Session } from './session.ts';

/** Per session; of further pairs the inbox is believed. */
const PROBES_MAX = 16;

export interface HaveProbesOptions {
  /** The edge's id. */
  readonly id: string;
  readonly replies: Replies;
  readonly owners: () => OwnerLink;
}

/**
 * What a client says to have, and its inbox does not show: the inbox may lag behind by some seconds, and the owner that
 * knows better be a bus away. So the owner is asked, and only its word is told.
 */
export class HaveProbes {
  readonly #options: HaveProbesOptions;

  constructor(options: HaveProbesOptions) {
    this.#options = options;
  }

  /** False: too many are asked about already. */
  ask(session: Session, conv: ConversationId, seq: Seq): boolean {
    const { id, owners } = this.#options;
    session.probes ??= new Map();
    if (session.probes.size >= PROBES_MAX) return false;
    session.probes.set(conv, seq);
    owners().submit(historyRequest(id, session, { t: 'history', id: 0, conv, limit: 1 }));
    return true;
  }

  answered(session: Session, { conv }: ConversationRequest, answer: Answer): void {
    const { replies } = this.#options;
    const seq = session.probes?.get(conv);
    session.probes?.delete(conv);
    if (session.probes?.size === 0) session.probes = undefined;
    if (seq === undefined) return;
    if (answer.t === 'error') {
      if (answer.code !== 'not_member' && answer.code !== 'not_found') return; // it stays what it was
      replies.frame(session, { t: 'conversation', conv, removed: 0 }, conv);
    } else if ((answer.t === 'page' || answer.t === 'grant') && isBeyondReach(seq, answer.head)) {
      replies.frame(session, { t: 'reset', conv }, conv);
    }
  }
}

/** Whether a timeline that ends at `seq` can't be caught up with. */
export function isBeyondReach(seq: Seq, head: Seq): boolean {
  return seq > head || head - seq > LIMITS.resetBehindMax;
}
