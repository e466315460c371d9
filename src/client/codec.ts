import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';

/** How frames travel: one of the two subprotocols. */
export interface Codec {
  readonly subprotocol: string;
  encode(frame: ClientFrame): Uint8Array | string;
  /** undefined for a frame of a type that this client does not know; throws on bytes that are no frame. */
  decode(data: Uint8Array | string): ServerFrame | undefined;
}
