/** What `presence` prints. */
import type { HubMoment } from './plan.ts';
import type { PresenceReport } from './scenarios/presence.ts';
import { count, cpuRows, kib, table } from './table.ts';

export function hubPlace(core: number): string {
  return `The hub alone is in a process of its own on core ${core}, with what drives and checks it.`;
}

export function presenceTable(report: PresenceReport): string {
  return [...hubLines(report), '', ...visitsLines(report)].join('\n');
}

function hubLines({ hub, hubPlan }: PresenceReport): string[] {
  const { users, watchedShare, edgesPerUser, edges, connectsPerSecond } = hubPlan;
  const rows = [
    ['without sockets', 'presence hub'],
    ['connects and disconnects/s', count(hub.eventsPerSecond)],
    ['CPU per connect or disconnect, us', hub.cpuUsPerEvent.toFixed(2)],
    ['  of that the drive alone, us', hub.driveUsPerEvent.toFixed(2)],
    ['states told/s', count(hub.statesPerSecond)],
    ['last seen, written', count(hub.lastSeen.written)],
    ['last seen, dropped', count(hub.lastSeen.dropped)],
  ];
  return [
    `${count(users)} users, half of them online; ${count(users * watchedShare)} watched at ${edgesPerUser} of ${edges} edges each; ${count(connectsPerSecond)} connects and as many disconnects asked for a second`,
    '',
    table(rows),
    '',
    heldTable(hub.moments),
  ];
}

/** The hub's maps that held anything at some time, and the heap of the process with all that drives it. */
function heldTable(moments: readonly HubMoment[]): string {
  const names = new Set(moments.flatMap(({ entries }) => Object.keys(entries)));
  const used = [...names].filter((name) => moments.some(({ entries }) => (entries[name] ?? 0) > 0));
  return table([
    ['entries held', ...moments.map(({ name }) => name)],
    ...used.map((name) => [`  ${name}`, ...moments.map(({ entries }) => count(entries[name] ?? 0))]),
    ['heap used, KiB', ...moments.map(({ heapBytes }) => kib(heapBytes))],
  ]);
}

function visitsLines({ visits, visitsPlan }: PresenceReport): string[] {
  const { visitsPerSecond, stayMs, watchers, watchedEach } = visitsPlan;
  const rows = [
    ['over sockets', 'carillon'],
    ['connects, and as many disconnects/s', count(visits.visitsPerSecond)],
    ...cpuRows(visits.cpu, 'connect and disconnect', visits.visitsPerSecond),
    ['presence events/s', count(visits.statesPerSecond)],
  ];
  return [
    `${count(visitsPerSecond)} clients a second connect, say hello, and go after ${stayMs / 1_000} s; ${watchers} others watch ${watchedEach} of them each (${visits.checkedOnline} of the ${visits.checked} were there in the end)`,
    '',
    table(rows),
  ];
}
