import type { Entry } from '../core/entry.ts';
import type { ConversationsPage, Welcome } from '../protocol/frames.ts';
import { ClientError } from './errors.ts';

/** Pages the rest of what `welcome` began. False: `isOver` said so before the end. */
export async function pageRest(
  welcome: Pick<Welcome, 'more' | 'before'>,
  page: (before: string | undefined) => Promise<ConversationsPage>,
  take: (entry: Entry) => void,
  isOver: () => boolean,
): Promise<boolean> {
  let { more, before } = welcome;
  while (more) {
    const next = await page(before);
    if (isOver()) return false;
    for (const entry of next.conversations) take(entry);
    ({ more, before } = next);
    if (more && before === undefined) throw new ClientError('internal', 'conversations: more without before');
  }
  return true;
}
