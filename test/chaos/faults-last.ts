import type { Client } from '../../src/client/index.ts';
import type { NatsProxy } from '../services/nats-proxy.ts';
import type { NodeProcess } from '../services/stack.ts';
import { sleep, until } from '../support/server-process.ts';
import type { FaultContext } from './faults.ts';
import { hasAll, type Talk } from './talks.ts';

/** Receivers must have what was lost by then. */
export const LATE_MS = 1_500;
export const GIVE_UP_MS = 20_000;
/** Between two messages: all is told and acknowledged, and the next may fall anywhere between two beacons. */
const QUIET_MS_MIN = 300;
export const BEACON_MS = 1_000;
/** How long it goes on, in times of what other faults last: for many samples. */
const SHARE = 6;

interface Crossing {
  readonly talk: Talk;
  readonly sender: Client;
  readonly receiver: Client;
  readonly receiverEdge: NodeProcess;
}

interface Samples {
  readonly times: number[];
  push: number;
  fetch: number;
  /** What was lost instead was a beacon, say. */
  missed: number;
}

/**
 * All traffic stops; then one message after another is sent on its own, and the bus message that carries it is lost:
 * on its way from the owner to the receiver's edge, or from the sender's edge to the owner. Measured from the ack
 * (of a lost send: from sending) until the receiver, at the other edge, has it.
 */
export async function lastOfAll(context: FaultContext): Promise<void> {
  const { talks, rig, seconds } = context;
  await comeToRest(context);
  const crossings = talks.flatMap((talk) => crossing(context, talk) ?? []);
  if (crossings.length === 0) throw new Error('no direct conversation spans the edges');
  const toEdge: Samples = { times: [], push: 0, fetch: 0, missed: 0 };
  const toOwner: Samples = { times: [], push: 0, fetch: 0, missed: 0 };
  const end = performance.now() + seconds * SHARE * 1_000;
  for (let i = 0; performance.now() < end; i++) {
    const across = crossings[i % crossings.length] as Crossing;
    if (i % 3 === 2) await loseOne(context, across, rig.sequencer, /^n\./, 'sent', toOwner);
    else await loseOne(context, across, across.receiverEdge, /^e\./, 'acked', toEdge);
    await sleep(QUIET_MS_MIN + Math.random() * BEACON_MS);
  }
  report(context, 'the edge', toEdge);
  report(context, 'the owner', toOwner);
}

/** All traffic stops, and all of it is told and acknowledged. */
export async function comeToRest({ load, meter, people, talks }: FaultContext): Promise<void> {
  load.stop();
  await until('all acked', GIVE_UP_MS, () => people.every(({ client }) => client.unacked === 0));
  await until('all received', GIVE_UP_MS, () => talks.every((talk) => hasAll(talk, talk.acked)));
  meter.rest();
  await sleep(3 * BEACON_MS);
}

/** The proxy through which the node reaches the bus. */
export function proxyOf({ rig }: FaultContext, node: NodeProcess): NatsProxy {
  const proxy = rig.bus.get(node);
  if (proxy === undefined) throw new Error(`${node.name} has no proxy before the bus`);
  return proxy;
}

function crossing({ people, rig }: FaultContext, talk: Talk): Crossing | undefined {
  const [sender, receiver, ...more] = talk.senders as [Client, Client, ...Client[]];
  if (more.length > 0) return undefined;
  const urlOf = (client: Client): string | undefined =>
    people.find((one) => one.client === client)?.route.url;
  const receiverEdge = rig.edges.find(({ url }) => url === urlOf(receiver));
  if (receiverEdge === undefined || urlOf(sender) === receiverEdge.url) return undefined;
  return { talk, sender, receiver, receiverEdge };
}

async function loseOne(
  context: FaultContext,
  { talk, sender, receiver }: Crossing,
  node: NodeProcess,
  subject: RegExp,
  from: 'sent' | 'acked',
  samples: Samples,
): Promise<void> {
  const { load } = context;
  const proxy = proxyOf(context, node);
  let pushed = 0;
  const off = receiver.on('message', ({ conv, seq }) => {
    if (conv === talk.conv) pushed = seq;
  });
  const gapsBefore = await gapsSeen(node);
  const loss = proxy.dropNext(1, subject);
  let startAt = performance.now();
  const seq = await load.send(talk, sender);
  if (seq === undefined) return off();
  if (from === 'acked') startAt = performance.now();
  await until('the receiver has it', GIVE_UP_MS, () => hasAll(talk, seq)).catch(() => undefined); // judged by its time
  const ms = Math.round(performance.now() - startAt);
  loss.stop();
  off();
  if (loss.dropped === 0 || (await gapsSeen(node)) === gapsBefore) {
    samples.missed++;
    return;
  }
  samples.times.push(ms);
  if (pushed >= seq) samples.push++;
  else samples.fetch++;
}

/** Packets that the node found missing so far: not beacons, which have no number of their own. */
async function gapsSeen(node: NodeProcess): Promise<number> {
  const metrics = await (await fetch(`${node.adminUrl}/metrics`)).text();
  const lines = metrics.match(/^carillon_peer_gaps_total.*$/gm) ?? [];
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

function report(
  { note, find, completeAfter }: FaultContext,
  where: string,
  { times, push, fetch, missed }: Samples,
): void {
  if (times.length === 0) return find(`no message was lost on its way to ${where}`);
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] as number;
  note(
    `lost on its way to ${where}, ${times.length} times (and a beacon ${missed}): complete after ${at(0.5)} ms in the middle, ${at(1)} at worst; ${push} by push alone, ${fetch} by fetching`,
  );
  completeAfter(at(1));
  const late = sorted.filter((ms) => ms > LATE_MS);
  if (late.length > 0) find(`lost on its way to ${where}: complete after ${late.join(', ')} ms`);
}
