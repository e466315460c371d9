import { uuidFromBytes } from '../../src/core/ids.ts';
import type { Topology } from '../topology.ts';
import type { Clients } from './clients.ts';
import { createConversations } from './load.ts';

/** Creates the conversations, each with so many messages, all by one of its members. */
export async function fillConversations(
  clients: Clients,
  topology: Topology,
  messages: number,
  problem: (text: string) => void,
  progress: (text: string) => void,
  bodyBytes = 0,
): Promise<void> {
  const { conversations } = topology;
  progress(`creating ${conversations} conversations`);
  await createConversations(clients, topology);
  progress(messages === 1 ? 'a message to each' : `${messages} messages to each`);
  await sendMessages(
    clients,
    topology,
    conversations * messages,
    (index) => index % conversations,
    problem,
    bodyBytes,
  );
}

/** Sends so many messages, each to the conversation that `to` names, by the first of its members. */
export async function sendMessages(
  clients: Clients,
  { ids, memberAt }: Topology,
  messages: number,
  to: (index: number) => number,
  problem: (text: string) => void,
  bodyBytes = 0,
): Promise<void> {
  const cmidRest = Math.floor(Math.random() * 2 ** 16);
  await clients.requestAll(
    messages,
    (index) => {
      const conversation = to(index);
      return {
        connection: memberAt(conversation, 0),
        request: {
          t: 'send',
          conv: uuidFromBytes(ids, conversation * 16),
          cmid: `00000000-0000-4000-8000-${hex(cmidRest, 4)}${hex(index, 8)}`,
          body: `message to conversation ${conversation}`.padEnd(bodyBytes, ' and so on'),
        },
      };
    },
    (index, frame) => {
      if (frame.t !== 'ack') problem(`the send to conversation ${to(index)} was answered by ${frame.t}`);
    },
  );
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
