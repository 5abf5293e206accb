/** The pages below /debug/api_priority_and_fairness/: what is going on in levels, queues and requests, as aligned columns. */
import type { RequestInfo, User } from '../request.ts';
import type { Level } from './levels.ts';
import type { Ticket } from './queueset.ts';

type Row = readonly (string | number | boolean)[];

/** Who asked what; kept with every request for these pages. */
export interface Described {
  readonly user: User;
  readonly info: RequestInfo;
}

/** Undefined: there is no such page. */
export function dump(page: string, levels: readonly Level[], query: URLSearchParams): string | undefined {
  const sorted = levels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  switch (page) {
    case 'dump_priority_levels':
      return aligned(levelRows(sorted));
    case 'dump_queues':
      return aligned(queueRows(sorted));
    case 'dump_requests':
      return aligned(requestRows(sorted, (query.get('includeRequestDetails') ?? '') !== ''));
    default:
      return undefined;
  }
}

function levelRows(levels: readonly Level[]): Row[] {
  const counts = ['Waiting', 'Executing', 'Dispatched', 'Rejected', 'Timedout', 'Cancelled'];
  return [
    ['PriorityLevelName', 'ActiveQueues', 'IsIdle', 'IsQuiescing', ...counts.map((one) => `${one}Requests`)],
    ...levels.map(({ name, set, quiescing }) => [
      name,
      Array.from(set.queues).filter(({ waiting }) => waiting.length > 0).length,
      set.idle,
      quiescing,
      set.waiting,
      set.executing.size,
      set.dispatched,
      set.rejected,
      0,
      set.cancelled,
    ]),
  ];
}

/** So many queues are listed even if nothing is in them. */
const mostIdleQueues = 10_000;

function queueRows(levels: readonly Level[]): Row[] {
  const rows: Row[] = [
    [
      'PriorityLevelName',
      'Index',
      'PendingRequests',
      'ExecutingRequests',
      'SeatsInUse',
      'NextDispatchR',
      'InitialSeatsSum',
      'MaxSeatsSum',
      'TotalWorkSum',
    ],
  ];
  for (const { name, set } of levels) {
    const busy = new Map(Array.from(set.queues, (queue) => [queue.index, queue]));
    const idle = Math.min(set.queueCount, mostIdleQueues);
    const indices = new Set([...Array.from({ length: idle }, (_, i) => i), ...busy.keys()]);
    for (const index of indices) {
      const queue = busy.get(index);
      const waiting = queue?.waiting ?? [];
      const sum = (of: (ticket: Ticket) => number) => waiting.reduce((total, ticket) => total + of(ticket), 0);
      rows.push([
        name,
        index,
        waiting.length,
        queue?.executing ?? 0,
        queue?.seats ?? 0,
        seatSeconds(queue?.next ?? 0),
        sum((ticket) => ticket.initialSeats),
        sum((ticket) => ticket.seats),
        seatSeconds(queue?.waitingWork ?? 0),
      ]);
    }
  }
  return rows;
}

function requestRows(levels: readonly Level[], details: boolean): Row[] {
  const more = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];
  const rows: Row[] = [
    [
      'PriorityLevelName',
      'FlowSchemaName',
      'QueueIndex',
      'RequestIndexInQueue',
      'FlowDistingsher',
      'ArriveTime',
      'InitialSeats',
      'FinalSeats',
      'AdditionalLatency',
      'StartTime',
      ...(details ? more : []),
    ],
  ];
  for (const level of levels) {
    for (const queue of level.set.queues)
      queue.waiting.forEach((ticket, i) => rows.push(requestRow(level.name, ticket, i, details)));
    for (const ticket of level.set.executing) rows.push(requestRow(level.name, ticket, -1, details));
  }
  return rows;
}

function requestRow(level: string, ticket: Ticket, at: number, details: boolean): Row {
  const { flow, queue, initialSeats, finalSeats, additionalLatency, described } = ticket;
  const time = (seconds: number) => (seconds < 0 ? '0001-01-01T00:00:00Z' : ticket.set.timeOf(seconds));
  return [
    level,
    flow.schema,
    queue?.index ?? -1,
    at,
    flow.distinguisher,
    time(ticket.arrivedAt),
    initialSeats,
    finalSeats,
    additionalLatency === 0 ? '0s' : `${additionalLatency}ms`,
    time(ticket.startedAt),
    ...(details ? detailsOf(described as Described) : []),
  ];
}

function detailsOf({ user, info }: Described): Row {
  const version = info.group === '' ? info.version : `${info.group}/${info.version}`;
  return [user.name, info.verb, info.path, info.namespace, info.name, version, info.resource, info.subresource];
}

function seatSeconds(value: number): string {
  return `${value.toFixed(8)}ss`;
}

/** Columns as wide as their widest cell. */
function aligned(rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = cells[0]!.map((_, i) => cells.reduce((widest, row) => Math.max(widest, (row[i] ?? '').length), 0));
  const line = (row: string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : `${cell},`.padEnd(widths[i]! + 2))).join('');
  return `${cells.map(line).join('\n')}\n`;
}
