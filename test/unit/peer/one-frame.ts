import type { FrameSink } from '../../../cluster/peer/flow-sender.ts';

/** One frame, in the midst of other bytes. */
export class OneFrame implements FrameSink {
  buffer = new Uint8Array(0);
  start = 0;
  end = 0;

  reserve(bytes: number): number {
    this.buffer = new Uint8Array(bytes + 20).fill(0xff);
    this.start = 13;
    this.end = 13 + bytes;
    return 13;
  }
  read<T>(reader: (bytes: Uint8Array, start: number, end: number) => T): T {
    return reader(this.buffer, this.start, this.end);
  }
  get type(): number {
    return this.buffer[this.start] as number;
  }
}

export function written(write: (sink: FrameSink) => void): OneFrame {
  const frame = new OneFrame();
  write(frame);
  return frame;
}
