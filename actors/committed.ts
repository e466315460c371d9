import type { Outbox } from '../src/core/actor.ts';
import type { UserId } from '../src/core/ids.ts';
import type { Draft, DraftEntry } from './draft.ts';
import type { SequencerState } from './sequencer-state.ts';

/**
 * Takes a committed batch into the state, and says of each entry, in the order of seqs, what may now be said:
 * the entry to those who come and go, the event to the members, the answer to the one who asked.
 */
export function publishCommitted(state: SequencerState, draft: Draft, out: Outbox): void {
  state.window.commit();
  for (const entry of draft.entries) {
    switch (entry.op) {
      case 'send':
        publishMessage(state, draft, entry, out);
        break;
      case 'repeat':
        out.answer(entry.request, { t: 'ack', seq: entry.seq, ts: entry.ts, duplicate: true });
        break;
      case 'members':
        publishMembers(state, entry, out);
        break;
      case 'create':
        publishCreated(state, entry, out);
        break;
    }
  }
  state.window.trim(state.head);
  if (draft.rows.length > 0) out.project(undefined);
}

function publishMessage(state: SequencerState, draft: Draft, entry: DraftEntry, out: Outbox): void {
  const { request, seq, n, ts } = entry;
  const env = entry.env as Uint8Array;
  if (seq === 1) {
    // A direct's first message shows it to the peer.
    for (const user of state.audience.users) state.showDirectTo(user);
    showTo(state, state.audience.users, out);
  }
  state.commitRow(seq, n, ts, env, true);
  state.sent(draft.members.get(request.user), seq, n);
  for (const user of state.mention(seq, env)) out.project(user);
  out.answer(request, { t: 'ack', seq, ts, duplicate: false });
  const { audience, conv } = state;
  out.publish({
    t: 'message',
    conv,
    seq,
    n,
    frame: env,
    audience,
    exceptEdge: request.edge,
    exceptSession: request.session,
  });
}

function publishMembers(state: SequencerState, entry: DraftEntry, out: Outbox): void {
  const { request, seq, ts, event, members } = entry;
  if (event === undefined || members === undefined)
    throw new Error(`${state.conv}: a membership event without members`);
  state.commitMembers(members, seq, ts);
  const gone = event.leave === undefined ? (event.remove ?? []) : [event.leave];
  showTo(state, gone, out);
  showTo(state, event.add ?? [], out);
  publishEvent(state, entry, out);
  showTo(
    state,
    (event.role ?? []).map(([user]) => user),
    out,
  );
  for (const user of [...gone, ...(event.add ?? [])]) out.project(user);
  out.answer(request, { t: 'ok', seq, members: undefined });
}

function publishCreated(state: SequencerState, entry: DraftEntry, out: Outbox): void {
  const { request } = entry;
  if (entry.env === undefined) {
    showTo(state, [request.user], out); // a direct: the peer is shown nothing until its first message
    out.project(request.user);
  } else {
    showTo(state, state.audience.users, out);
    publishEvent(state, entry, out);
  }
  out.answer(request, { t: 'created' });
}

function publishEvent(state: SequencerState, entry: DraftEntry, out: Outbox): void {
  const { seq, n, ts } = entry;
  const frame = entry.env as Uint8Array;
  state.commitRow(seq, n, ts, frame, false);
  const { audience, conv } = state;
  out.publish({ t: 'message', conv, seq, n, frame, audience, exceptEdge: '', exceptSession: 0 });
}

function showTo(state: SequencerState, users: readonly UserId[], out: Outbox): void {
  for (const user of users) {
    const entry = state.entryFor(user);
    if (entry !== undefined) out.publish({ t: 'conversation', user, entry });
  }
}
