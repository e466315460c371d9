import { decodeServer, encodeClient } from '../protocol/client-codec.ts';
import { SUBPROTOCOLS } from '../protocol/frames.ts';
import type { Codec } from './codec.ts';

/** The binary subprotocol: less to send and less to do, and msgpackr along. */
export const binaryCodec: Codec = {
  subprotocol: SUBPROTOCOLS.binary,
  encode: (frame) => encodeClient(frame, 'binary'),
  decode: (data) => decodeServer(data, 'binary'),
};
