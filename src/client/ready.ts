import { closedError } from './errors.ts';
import type { ConnectionState } from './link.ts';

/** Resolves once the connection is online; rejects with a ClientError if it is closed for good. */
export function untilOnline(
  state: ConnectionState,
  onState: (listener: (state: ConnectionState) => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (now: ConnectionState): boolean => {
      if (now.is === 'online') resolve();
      else if (now.is === 'closed') reject(closedError(now));
      else return false;
      return true;
    };
    if (settle(state)) return;
    const off = onState((now) => {
      if (settle(now)) off();
    });
  });
}
