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
): Promise<void> {
  const { conversations, ids } = topology;
  progress(`creating ${conversations} conversations`);
  await createConversations(clients, topology);
  progress(messages === 1 ? 'a message to each' : `${messages} messages to each`);
  const cmidRest = Math.floor(Math.random() * 2 ** 16);
  await clients.requestAll(
    conversations * messages,
    (index) => {
      const conversation = index % conversations;
      return {
        connection: topology.memberAt(conversation, 0),
        request: {
          t: 'send',
          conv: uuidFromBytes(ids, conversation * 16),
          cmid: `00000000-0000-4000-8000-${hex(cmidRest, 4)}${hex(index, 8)}`,
          body: `message to conversation ${conversation}`,
        },
      };
    },
    (index, frame) => {
      if (frame.t !== 'ack')
        problem(`the send to conversation ${index % conversations} was answered by ${frame.t}`);
    },
  );
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
