import type { Delivered, ErrorFrame, Read, Receipt } from '../protocol/frames.ts';
import { CursorMarks } from './cursor-marks.ts';
import type { ClientSystem } from './system.ts';

const READ_WINDOW_MS = 200;
const DELIVERED_WINDOW_MS = 1_000;

/** How far the user has read, and what has come to this device, on their way to the server. */
export class Cursors {
  readonly read: CursorMarks;
  readonly delivered: CursorMarks;

  constructor(system: ClientSystem, send: (frame: Read | Delivered) => boolean) {
    this.read = new CursorMarks(system, READ_WINDOW_MS, (conv, seq) => send({ t: 'read', conv, seq }));
    this.delivered = new CursorMarks(system, DELIVERED_WINDOW_MS, (conv, seq) =>
      send({ t: 'delivered', conv, seq }),
    );
  }

  /** Of the user's own cursors: these are durable. */
  receipt({ conv, items }: Receipt, user: string): void {
    for (const [of, delivered, read] of items) {
      if (of !== user) continue;
      this.read.confirmed(conv, read);
      this.delivered.confirmed(conv, delivered);
    }
  }

  refused({ re, conv, retryable }: ErrorFrame): void {
    if (retryable || conv === undefined) return;
    if (re === 'read') this.read.drop(conv);
    else if (re === 'delivered') this.delivered.drop(conv);
  }

  stop(): void {
    this.read.stop();
    this.delivered.stop();
  }
}
