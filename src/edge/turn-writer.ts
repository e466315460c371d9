import type { System } from '../core/ports.ts';
import type { ConversationId } from '../core/ids.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { EventFrame, type Outgoing, type Session } from './session.ts';
import type { SendResult } from './socket.ts';

/** Stands for several conversations in `Session.outConv`. */
const SEVERAL = '*';

export interface WriteListener {
  /** The socket took less than it was given: the first of `out` that it did not take stands at `from`. */
  dropped(session: Session, out: readonly Outgoing[], from: number): void;
  /** All was taken; this much waits in the socket. */
  written(session: Session, bufferedBytes: number): void;
}

/** Gathers what a turn has for each socket, and writes it at the turn's end: one write per socket. */
export class TurnWriter {
  readonly #system: System;
  readonly #metrics: EdgeMetrics;
  readonly #listener: WriteListener;
  #dirty: Session[] = [];
  /** What is being written: one function for all corks, so that none is made per write. */
  #session: Session | undefined;
  #out: Outgoing[] = [];
  #droppedFrom = -1;

  constructor(system: System, metrics: EdgeMetrics, listener: WriteListener) {
    this.#system = system;
    this.#metrics = metrics;
    this.#listener = listener;
  }

  /**
   * Queues bytes for the end of the turn. `conv` names the conversation in whose order they have a place: a
   * publish of it writes them out before. '' has none; '*' has one in all.
   */
  queue(session: Session, item: Outgoing, conv: ConversationId): void {
    if (session.mode === 'closed') return;
    if (session.out === undefined) {
      session.out = [item];
      session.outConv = conv;
      if (!session.isDirty) this.#mark(session);
    } else {
      session.out.push(item);
      if (conv !== '' && session.outConv !== conv) session.outConv = session.outConv === '' ? conv : SEVERAL;
    }
    session.outBytes += item instanceof EventFrame ? item.bytes.length : item.length;
  }

  /** Writes out what `sessions` have queued of the conversation, so that a publish may follow. */
  fence(sessions: readonly Session[], conv: ConversationId, except: Session | undefined): void {
    const list = this.#dirty.length < sessions.length ? this.#dirty : sessions;
    // Backwards: one that is turned to pull or closed by it leaves the list.
    for (let i = list.length - 1; i >= 0; i--) {
      const session = list[i] as Session;
      if (session.out === undefined || session === except) continue;
      if (session.outConv === conv || session.outConv === SEVERAL) this.flush(session);
    }
  }

  flush(session: Session): void {
    const { out } = session;
    if (out === undefined) return;
    session.out = undefined;
    session.outBytes = 0;
    session.outConv = '';
    this.#metrics.counts.framesOut += out.length;
    this.#droppedFrom = -1;
    let buffered = 0;
    if (out.length === 1) {
      const result = sendTo(session, out[0] as Outgoing);
      if (result === 'dropped') this.#droppedFrom = 0;
      else if (result === 'buffered') buffered = session.socket.bufferedBytes();
    } else {
      this.#session = session;
      this.#out = out;
      session.socket.cork(this.#writeAll);
      this.#session = undefined;
      buffered = session.socket.bufferedBytes();
    }
    if (this.#droppedFrom >= 0) this.#listener.dropped(session, out, this.#droppedFrom);
    else this.#listener.written(session, buffered);
  }

  readonly #writeAll = (): void => {
    const session = this.#session as Session;
    const out = this.#out;
    for (let i = 0; i < out.length; i++) {
      if (sendTo(session, out[i] as Outgoing) !== 'dropped') continue;
      this.#droppedFrom = i;
      return;
    }
  };

  #mark(session: Session): void {
    session.isDirty = true;
    if (this.#dirty.push(session) === 1) this.#system.soon(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const session of dirty) {
      session.isDirty = false;
      this.flush(session);
    }
  };
}

function sendTo(session: Session, item: Outgoing): SendResult {
  return session.socket.send(item instanceof EventFrame ? item.bytes : item);
}
