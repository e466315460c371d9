/** What the generator does beside loads: filling, holding connections, and looking into what a server kept. */
import { uuidFromBytes } from '../../src/core/ids.ts';
import type { AuditPlan, AuditResult, FillPlan, HoldPlan } from '../plan.ts';
import { directs } from '../topology.ts';
import { Clients } from './clients.ts';
import { fillConversations } from './fill.ts';
import { Problems } from './problems.ts';

/** One message in each conversation, so that both of its users see it in their lists. */
export async function fill(plan: FillPlan, progress: (text: string) => void): Promise<AuditResult> {
  const problems = new Problems();
  const clients = new Clients(plan.target, problems.add);
  const topology = directs(plan.connections, plan.conversations);
  await clients.connect(plan.connections, (open) => progress(`${open} connected`));
  await fillConversations(clients, topology, 1, problems.add, progress);
  clients.closeAll();
  return resultOf('fill', plan.conversations, problems);
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
  return resultOf('hold', 0, problems);
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
  return resultOf('audit', plan.conversations, problems);
}

function resultOf(job: AuditResult['job'], conversations: number, { count, list }: Problems): AuditResult {
  return { job, conversations, problemCount: count, problems: list };
}
