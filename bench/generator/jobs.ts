/** What the generator does beside loads: filling, holding connections, and looking into what a server kept. */
import { uuidFromBytes } from '../../src/core/ids.ts';
import type { AuditPlan, AuditResult, FillPlan, HoldPlan } from '../plan.ts';
import { directs } from '../topology.ts';
import { Clients } from './clients.ts';
import { createConversations } from './load.ts';

const PROBLEMS_MAX = 20;

class Problems {
  readonly list: string[] = [];
  #count = 0;

  readonly add = (text: string): void => {
    this.#count++;
    if (this.list.length < PROBLEMS_MAX) this.list.push(text);
  };
  result(job: AuditResult['job'], conversations: number): AuditResult {
    return { job, conversations, problemCount: this.#count, problems: this.list };
  }
}

/** One message in each conversation, so that both of its users see it in their lists. */
export async function fill(plan: FillPlan, progress: (text: string) => void): Promise<AuditResult> {
  const problems = new Problems();
  const clients = new Clients(plan.target, problems.add);
  const topology = directs(plan.connections, plan.conversations);
  await clients.connect(plan.connections, (open) => progress(`${open} connected`));
  progress(`creating ${plan.conversations} conversations`);
  await createConversations(clients, topology);
  progress(`a message to each`);
  const cmidRest = Math.floor(Math.random() * 2 ** 32);
  await clients.requestAll(
    plan.conversations,
    (conversation) => ({
      connection: topology.memberAt(conversation, 0),
      request: {
        t: 'send',
        conv: uuidFromBytes(topology.ids, conversation * 16),
        cmid: `00000000-0000-4000-8000-${hex(cmidRest, 8)}${hex(conversation % 65536, 4)}`,
        body: `message to conversation ${conversation}`,
      },
    }),
    (conversation, frame) => {
      if (frame.t !== 'ack')
        problems.add(`the send to conversation ${conversation} was answered by ${frame.t}`);
    },
  );
  clients.closeAll();
  return problems.result('fill', plan.conversations);
}

/** Opens connections step by step and holds them; `step` resolves when the bench has looked. */
export async function hold(
  plan: HoldPlan,
  step: (connections: number) => Promise<void>,
  progress: (text: string) => void,
): Promise<AuditResult> {
  const problems = new Problems();
  const clients = new Clients(plan.target, problems.add);
  for (const total of plan.steps) {
    await clients.connect(total, (open) => progress(`${open} connected`));
    await step(total);
  }
  clients.closeAll();
  return problems.result('hold', 0);
}

/** Whether the heads in the store are those that were acked: nothing lost, nothing made up. */
export async function audit(plan: AuditPlan): Promise<AuditResult> {
  const problems = new Problems();
  const clients = new Clients(plan.target, problems.add);
  const topology = directs(plan.connections, plan.conversations);
  await clients.connect(plan.connections);
  await clients.requestAll(
    plan.conversations,
    (conversation) => ({
      connection: topology.memberAt(conversation, 1),
      request: { t: 'history', conv: uuidFromBytes(topology.ids, conversation * 16), limit: 1 },
    }),
    (conversation, frame) => {
      const acked = plan.heads[conversation];
      if (frame.t !== 'page')
        problems.add(`history of conversation ${conversation} was answered by ${frame.t}`);
      else if (frame.head !== acked)
        problems.add(`conversation ${conversation} has head ${frame.head}, acked: ${acked}`);
      else if (frame.messages.at(-1)?.seq !== acked)
        problems.add(`conversation ${conversation}: the last message is not its head`);
    },
  );
  clients.closeAll();
  return problems.result('audit', plan.conversations);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0').slice(-digits);
}
