import type { EdgeBounds } from './bounds.ts';
import type { SessionCloser } from './farewell.ts';
import type { Session } from './session.ts';

type Bounds = Pick<EdgeBounds, 'heldFramesMax' | 'heldBytesMax' | 'heldTotalBytesMax'>;

/** Keeps what clients send between their `hello` and their `welcome`, which comes before every other answer. */
export class HeldInputs {
  readonly #bounds: Bounds;
  readonly #closer: SessionCloser;
  #totalBytes = 0;

  constructor(bounds: Bounds, closer: SessionCloser) {
    this.#bounds = bounds;
    this.#closer = closer;
  }

  /** Copies `bytes`. A client that sends more than is kept is closed. */
  hold(session: Session, bytes: Uint8Array, isBinary: boolean): void {
    const { heldFramesMax, heldBytesMax, heldTotalBytesMax } = this.#bounds;
    session.heldInput ??= { frames: [], bytes: 0 };
    const held = session.heldInput;
    if (held.frames.length >= heldFramesMax || held.bytes + bytes.length > heldBytesMax) {
      this.#closer.close(session, 'protocol');
    } else if (this.#totalBytes + bytes.length > heldTotalBytesMax) {
      this.#closer.close(session, 'internal');
    } else {
      held.frames.push({ bytes: new Uint8Array(bytes), isBinary });
      held.bytes += bytes.length;
      this.#totalBytes += bytes.length;
    }
  }

  /** Hands it over, in order, as long as the session lives. */
  release(session: Session, take: (session: Session, bytes: Uint8Array, isBinary: boolean) => void): void {
    const frames = session.heldInput?.frames ?? [];
    this.forget(session);
    for (const { bytes, isBinary } of frames) {
      if (session.mode === 'closed') return;
      take(session, bytes, isBinary);
    }
  }

  forget(session: Session): void {
    this.#totalBytes -= session.heldInput?.bytes ?? 0;
    session.heldInput = undefined;
  }
}
