import { readAck } from '../../../cluster/peer/answer-codec.ts';
import { FRAME } from '../../../cluster/peer/frame.ts';
import { DATA, PACKET_HEADER_BYTES, readHeader } from '../../../cluster/peer/packet.ts';
import { readSend } from '../../../cluster/peer/request-codec.ts';
import type { SendRequest } from '../../../src/core/requests.ts';
import { readU32 } from '../../../src/protocol/message-frame.ts';
import type { BusWatcher } from './bus.ts';

/** Reads on the bus what a sequencer acknowledges: the acks that never arrive too. */
export class AckWatch implements BusWatcher {
  readonly #acked: (request: SendRequest, seq: number, ts: number) => void;
  /** Sends that came, by edge and ticket. */
  readonly #sends = new Map<string, SendRequest>();

  constructor(acked: (request: SendRequest, seq: number, ts: number) => void) {
    this.#acked = acked;
  }

  received(_subject: string, bytes: Uint8Array): void {
    const from = dataFrom(bytes);
    if (from === undefined) return;
    eachFrame(bytes, (start, end) => {
      if (bytes[start] !== FRAME.send) return;
      const send = readSend(from, bytes, start, end);
      if (send !== undefined) this.#sends.set(`${from} ${send.ticket}`, send);
    });
  }

  published(subject: string, bytes: Uint8Array): void {
    if (dataFrom(bytes) === undefined) return;
    const edge = subject.slice(subject.lastIndexOf('.') + 1);
    eachFrame(bytes, (start, end) => {
      if (bytes[start] !== FRAME.ack) return;
      const ack = readAck(bytes, start, end);
      if (ack?.answer.t !== 'ack') return;
      const key = `${edge} ${ack.ticket}`;
      const send = this.#sends.get(key);
      if (send !== undefined) this.#acked(send, ack.answer.seq, ack.answer.ts);
      this.#sends.delete(key); // what follows is sent again
    });
  }
}

function dataFrom(bytes: Uint8Array): string | undefined {
  const header = readHeader(bytes);
  return header?.kind === DATA ? header.from : undefined;
}

function eachFrame(bytes: Uint8Array, see: (start: number, end: number) => void): void {
  for (let at = PACKET_HEADER_BYTES; at < bytes.length; ) {
    const end = at + 4 + readU32(bytes, at);
    see(at + 4, end);
    at = end;
  }
}
