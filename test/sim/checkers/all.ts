import type { History } from '../world/history.ts';
import { ackedDurable } from './acked-durable.ts';
import { cursors } from './cursors.ts';
import { denseOrder } from './dense-order.ts';
import { eventualDelivery } from './eventual-delivery.ts';
import { membership } from './membership.ts';
import { noDuplicate } from './no-duplicate.ts';
import { prefs } from './prefs.ts';
import { readAfterAck } from './read-after-ack.ts';
import { sameBytes } from './same-bytes.ts';
import { sendOrder } from './send-order.ts';
import { singleAcker } from './single-acker.ts';
import { presence, settings } from './users.ts';

/** Says in words what is wrong with a history; nothing, if nothing is. */
export type Checker = (history: History) => string[];

export interface Finding {
  readonly checker: string;
  readonly words: string;
}

export const CHECKERS: Readonly<Record<string, Checker>> = {
  'acked-durable': ackedDurable,
  'dense-order': denseOrder,
  'no-duplicate': noDuplicate,
  membership,
  'eventual-delivery': eventualDelivery,
  cursors,
  prefs,
  settings,
  presence,
  'single-acker-per-seq': singleAcker,
  'read-after-ack': readAfterAck,
  'same-bytes': sameBytes,
  'send-order': sendOrder,
  'no-surprise': ({ errors }) => errors,
};

export function check(history: History): Finding[] {
  return Object.entries(CHECKERS).flatMap(([checker, find]) =>
    find(history).map((words) => ({ checker, words })),
  );
}
