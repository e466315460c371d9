import type { ErrorFrame, ServerFrame } from '../../../src/protocol/frames.ts';
import type { Client } from '../../../src/client/index.ts';
import { type Person, person } from '../../scenarios/people.ts';
import type { Meter } from '../faults-meter.ts';
import { type Observer, openTalk, type Talk } from '../talks.ts';

export interface CrowdShape {
  readonly users: number;
  /** Of the users, so many have a second device. */
  readonly doubles: number;
  readonly conversations: number;
}

export interface Crowd {
  readonly people: readonly Person[];
  readonly talks: readonly Talk[];
  /** Conversations of more than two users: their first sender may change who is a member. */
  readonly groups: readonly Talk[];
}

const GROUP_USERS = 4;
const OPEN_AT_ONCE = 8;

/** What each client sees first: errors count, and one that asks for patience must say for how long. */
export function watcher(meter: Meter, find: (text: string) => void): (frame: ServerFrame) => void {
  return (frame) => {
    meter.frame(frame);
    if (frame.t === 'error' && frame.code === 'unavailable' && lacksTime(frame))
      find(`unavailable without retryAfterMs: ${frame.message}`);
  };
}

function lacksTime({ retryAfterMs }: ErrorFrame): boolean {
  return retryAfterMs === undefined;
}

/** People at all edges, and conversations over them: directs, and every fifth a group. */
export async function gather(
  urls: readonly string[],
  shape: CrowdShape,
  watch: (frame: ServerFrame) => void,
  observer: Observer,
): Promise<Crowd> {
  const devices = Array.from({ length: shape.users }, (_, i) => {
    const count = i < shape.doubles ? 2 : 1;
    return Array.from({ length: count }, (__, d) =>
      person(urls, i + d, {
        user: `user${i}`,
        device: `d${d + 1}`,
        subprotocol: i % 4 === 0 ? 'json' : 'binary',
        watch,
      }),
    );
  });
  const people = devices.flat();
  await Promise.all(people.map(({ client }) => client.ready()));
  const talks: Talk[] = [];
  const plans = Array.from({ length: shape.conversations }, (_, i) => sendersOf(devices, i));
  for (let i = 0; i < plans.length; i += OPEN_AT_ONCE) {
    const some = plans.slice(i, i + OPEN_AT_ONCE);
    talks.push(...(await Promise.all(some.map((senders) => openTalk(senders, observer)))));
  }
  return { people, talks, groups: talks.filter(isGroup) };
}

/** All devices of the members; who they are differs from conversation to conversation. */
function sendersOf(devices: readonly (readonly Person[])[], i: number): Client[] {
  const users = devices.length;
  const size = i % 5 === 4 ? GROUP_USERS : 2;
  const step = 1 + (Math.floor(i / users) % Math.floor((users - 1) / (GROUP_USERS - 1)));
  const members = Array.from(
    { length: size },
    (_, k) => devices[(i + k * step) % users] as readonly Person[],
  );
  return members.flatMap((each) => each.map(({ client }) => client));
}

function isGroup({ senders }: Talk): boolean {
  return new Set(senders.map(({ user }) => user)).size > 2;
}
