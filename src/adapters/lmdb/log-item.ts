import type { AppendListener } from '../../core/ports.ts';
import type { AppendBatch } from '../../core/rows.ts';
import type { ConversationTail } from './conversation-index.ts';
import type { Put } from './record-codec.ts';

/** What waits to become an entry of the log. */
export type LogItem = BatchItem | ProjectionItem | ClearItem;

export interface BatchItem {
  readonly t: 'batch';
  readonly batch: AppendBatch;
  readonly tail: ConversationTail;
  /** The establishment. */
  readonly puts: readonly Put[];
  readonly listener: AppendListener;
  readonly bytes: number;
}
export interface ProjectionItem {
  readonly t: 'projection';
  /** The conversation's id as bytes. */
  readonly key: Uint8Array;
  readonly fence: number;
  readonly puts: readonly Put[];
  readonly waiter: Waiter;
  readonly bytes: number;
}
export interface ClearItem {
  readonly t: 'clear';
  readonly slot: number;
  readonly fence: number;
  readonly waiter: Waiter;
  readonly bytes: number;
}

export interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}
