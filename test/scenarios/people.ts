import { binaryCodec } from '../../src/client/binary-codec.ts';
import type { Codec } from '../../src/client/codec.ts';
import { Client } from '../../src/client/index.ts';
import { jsonCodec } from '../../src/client/json-codec.ts';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import { Route } from './route.ts';

/** A user's device, and which server it is at. */
export interface Person {
  readonly client: Client;
  readonly route: Route;
}

export interface PersonOptions {
  readonly user: string;
  /** Default: one of its own. */
  readonly device?: string;
  /** Default: binary. */
  readonly subprotocol?: 'binary' | 'json';
  readonly outboxMax?: number;
  /** Sees each frame that comes, before the client does. */
  readonly watch?: (frame: ServerFrame) => void;
}

/** A connecting client whose home is one of the servers, and who goes to the others when that is gone. */
export function person(urls: readonly string[], home: number, options: PersonOptions): Person {
  const { user, subprotocol, watch, ...rest } = options;
  const codec = subprotocol === 'json' ? jsonCodec : binaryCodec;
  const route = new Route(urls, home);
  const client = new Client({
    ...rest,
    url: route.url,
    token: `dev:${user}`,
    webSocket: route.webSocket,
    codec: watch === undefined ? codec : watched(codec, watch),
  });
  client.connect();
  return { client, route };
}

function watched(codec: Codec, watch: (frame: ServerFrame) => void): Codec {
  return {
    ...codec,
    decode(data) {
      const frame = codec.decode(data);
      if (frame !== undefined) watch(frame);
      return frame;
    },
  };
}
