/**
 * A bare uWebSockets.js group: what fan-out costs without order, membership or a store. Sends are gathered until
 * `burst` of them are there (the burst that the measured server showed its clients, so that both batch alike);
 * then each is published once to all but its sender, and the sender gets the ack, in the same turn.
 */
import uws from 'uWebSockets.js';
import { encodeMessage, readU32, writeU64 } from '../../src/protocol/message-frame.ts';
import { uuidFromBytes } from '../../src/core/ids.ts';
import { user } from '../topology.ts';
import { ACK, ACK_BYTES, CMID_AT, CONV_AT, ID_AT, SEND, SEND_HEADER_BYTES } from '../generator/frames.ts';

interface Member {
  readonly name: string;
}
interface Waiting {
  readonly socket: uws.WebSocket<Member>;
  readonly send: Buffer;
}

const TOPIC = 'group';
/** A smaller burst goes out after so long: at the end of a run not all senders send any more. */
const GATHER_MS_MAX = 5;

const burst = Number(process.argv[2]);
if (!Number.isInteger(burst) || burst < 1)
  throw new RangeError('the first argument is the burst, an integer from 1');

let members = 0;
let seq = 0;
let waiting: Waiting[] = [];
let timer: NodeJS.Timeout | undefined;
let scheduled = false;

function arrived(): void {
  if (scheduled) return;
  if (waiting.length >= burst) {
    // In a turn of its own: inside a handler the library's cork buffer is taken by the socket that is read from,
    // and then each message to each other socket would be a write of its own.
    scheduled = true;
    setImmediate(publishBurst);
  } else {
    timer ??= setTimeout(publishBurst, GATHER_MS_MAX);
  }
}

function publishBurst(): void {
  clearTimeout(timer);
  timer = undefined;
  scheduled = false;
  const batch = waiting.slice(0, burst);
  waiting = waiting.slice(burst);
  const ts = Date.now();
  for (const { socket, send } of batch) {
    seq++;
    socket.publish(TOPIC, messageOf(send, socket.getUserData().name, seq, ts), true);
    socket.cork(() => socket.send(ackOf(send, seq, ts), true));
  }
  if (waiting.length > 0) arrived();
}

function messageOf(send: Buffer, from: string, at: number, ts: number): Uint8Array {
  const conv = uuidFromBytes(send, CONV_AT);
  const cmid = uuidFromBytes(send, CMID_AT);
  const body = send.subarray(SEND_HEADER_BYTES, SEND_HEADER_BYTES + readU32(send, 40));
  return encodeMessage({
    conv,
    seq: at,
    n: at,
    ts,
    from,
    device: 'bench',
    cmid,
    kind: 'text',
    body,
    text: true,
  });
}

function ackOf(send: Buffer, at: number, ts: number): Uint8Array {
  const ack = Buffer.alloc(ACK_BYTES);
  ack[0] = ACK;
  send.copy(ack, ID_AT, ID_AT, 40);
  writeU64(ack, 40, at);
  writeU64(ack, 48, ts);
  return ack;
}

uws
  .App()
  .ws<Member>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 16 * 1024 * 1024,
    upgrade: (response, request, context) => {
      response.upgrade(
        { name: user(members++) },
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    open: (socket) => {
      socket.subscribe(TOPIC);
    },
    message: (socket, message) => {
      const send = Buffer.from(Buffer.from(message)); // the library takes its buffer back after this call
      if (send[0] !== SEND) throw new Error('only send frames come here');
      waiting.push({ socket, send });
      arrived();
    },
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (!listening) throw new Error('the publish server got no port');
    process.send?.({ port: uws.us_socket_local_port(listening) });
  });
process.on('disconnect', () => process.exit(0));
