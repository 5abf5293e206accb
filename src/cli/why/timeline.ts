/** One timeline of several objects: their states, the events about them and the first lines of their logs, in the order in which they came about. */
import type { HttpsClient } from '../../client/index.ts';
import { type AnyObject, type ManagedFieldsEntry, StatusError } from '../../machinery/index.ts';
import { readText } from './ask.ts';
import { factsBetween } from './facts.ts';
import { type History, historyOf, revisionOf, timesOf } from './history.ts';
import { recollected } from './recollect.ts';
import { isPod, type Thing } from './things.ts';
import { shortened } from './words.ts';

export interface Step {
  /** Milliseconds since the epoch. */
  at: number;
  /** Only the second is known. */
  coarse: boolean;
  /** What orders steps where there is one; times of several sources may not agree. */
  readonly revision?: number;
  readonly object: string;
  readonly what: string;
  readonly who: string;
  readonly bad: boolean;
}

const events = { group: '', version: 'v1', resource: 'events', kind: 'Event', namespaced: true } as const;
const askedAtOnce = 8;

export async function timelineOf(
  client: HttpsClient,
  things: readonly Thing[],
): Promise<{ steps: Step[]; events: AnyObject[] }> {
  const told = await inTurn(things, async (thing) => ({
    thing,
    history: await historyOf(client, thing),
    about: await eventsOf(client, thing),
    lines: isPod(thing) ? await firstLines(client, thing) : [],
  }));
  const about = told.flatMap((one) => one.about);
  const revisions = [
    ...told.flatMap(({ history }) => history.versions.map(({ revision }) => revision)),
    ...about.filter(isFirst).map(revisionOf),
  ];
  const times = await timesOf(client, revisions);
  const steps = told.flatMap(({ thing, history, about: mine, lines }) => [
    ...stepsOfHistory(thing, history, times),
    ...mine.filter(({ reason }) => !toldOtherwise.has(reason)).map((event) => stepOfEvent(thing, event, times)),
    ...lines,
  ]);
  return { steps: inOrder(steps), events: about };
}

async function inTurn<One, Told>(all: readonly One[], work: (one: One) => Promise<Told>): Promise<Told[]> {
  const told: Told[] = [];
  for (let i = 0; i < all.length; i += askedAtOnce)
    told.push(...(await Promise.all(all.slice(i, i + askedAtOnce).map(work))));
  return told;
}

function stepsOfHistory(thing: Thing, { versions, whole }: History, times: ReadonlyMap<number, number>): Step[] {
  const steps: Step[] = [];
  let before: AnyObject | undefined;
  for (const [i, { object, revision, deleted }] of versions.entries()) {
    const exact = times.get(revision);
    const who = managerOf(before, object);
    const at = exact ?? timeIn(before, object);
    const base = { at, coarse: exact === undefined, revision, object: thing.title };
    if (i === 0 && !whole)
      for (const one of recollected(object))
        steps.push({
          at: one.at,
          coarse: true,
          object: thing.title,
          what: one.what,
          who: one.who,
          bad: one.bad ?? false,
        });
    else if (!deleted)
      for (const { what, bad, by } of factsBetween(before, object))
        steps.push({ ...base, what, who: by ?? who, bad: bad ?? false });
    if (deleted) steps.push({ ...base, what: 'is gone', who: '', bad: false });
    before = object;
  }
  return steps;
}

/** Who wrote last: whose entry differs from before. */
function managerOf(before: AnyObject | undefined, { metadata }: AnyObject): string {
  const [newest] = changedEntries(before, metadata.managedFields ?? []);
  return newest?.manager ?? '';
}

function changedEntries(before: AnyObject | undefined, entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const known = new Set((before?.metadata.managedFields ?? []).map((one) => JSON.stringify(one)));
  return entries
    .filter((one) => !known.has(JSON.stringify(one)))
    .toSorted((a, b) => (b.time ?? '').localeCompare(a.time ?? ''));
}

function timeIn(before: AnyObject | undefined, { metadata }: AnyObject): number {
  const [newest] = changedEntries(before, metadata.managedFields ?? []);
  return Date.parse((before && newest?.time) ?? metadata.creationTimestamp ?? '') || 0;
}

/** Of which the states of the objects tell. */
const toldOtherwise = new Set([
  'Scheduled',
  'FailedScheduling',
  'Created',
  'Started',
  'SuccessfulCreate',
  'SuccessfulDelete',
]);

async function eventsOf(client: HttpsClient, { uid, namespace, object }: Thing): Promise<AnyObject[]> {
  if (object === undefined && uid === '') return [];
  try {
    // those of what has no namespace are in "default"
    const where = { namespace: namespace ?? 'default', fieldSelector: `involvedObject.uid=${uid}` };
    return (await client.list(events, { ...where, limit: 500 })).items;
  } catch (error) {
    if (error instanceof StatusError) return [];
    throw error;
  }
}

/** Nothing was counted on it since: its revision is that of the first time. */
function isFirst({ count = 1, series }: AnyObject): boolean {
  return count === 1 && series === undefined;
}

function stepOfEvent({ title }: Thing, event: AnyObject, times: ReadonlyMap<number, number>): Step {
  const revision = revisionOf(event);
  const own = isFirst(event);
  const exact = (own ? times.get(revision) : undefined) ?? nanosecondsIn(event.metadata.name ?? '');
  const count = event.series?.count ?? event.count ?? 1;
  const last = event.series?.lastObservedTime ?? event.lastTimestamp;
  const again = count > 1 ? ` (${count} times, last at ${String(last).slice(11, 19)})` : '';
  const told = event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  return {
    at: exact ?? (Date.parse(told) || 0),
    coarse: exact === undefined,
    ...(own && exact !== undefined && { revision }),
    object: title,
    what: `${event.reason}: ${shortened(event.message ?? '', 200)}${again}`,
    who: event.reportingComponent || event.source?.component || '',
    bad: event.type === 'Warning',
  };
}

/** Recorders end an event's name with its first time, in hexadecimal. */
function nanosecondsIn(name: string): number | undefined {
  const [, hex] = /\.([0-9a-f]{16})$/.exec(name) ?? [];
  return hex === undefined ? undefined : Number(BigInt(`0x${hex}`) / 1_000_000n);
}

async function firstLines(client: HttpsClient, thing: Thing): Promise<Step[]> {
  const steps: Step[] = [];
  const status = thing.object?.status;
  for (const { name, state, lastState } of [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]) {
    if (!state?.running && !state?.terminated && !lastState?.terminated) continue;
    const previous = !state?.running && !state?.terminated;
    const query = new URLSearchParams({
      container: name,
      timestamps: 'true',
      limitBytes: '4096',
      previous: `${previous}`,
    });
    const path = `/api/v1/namespaces/${thing.namespace}/pods/${encodeURIComponent(thing.name)}/log?${query}`;
    // a log that cannot be had is no reason to tell nothing
    const text = await readText(client, path).catch(() => '');
    const [, time, line] = /^(\S+) (.*)/.exec(text) ?? [];
    if (time !== undefined && !Number.isNaN(Date.parse(time)))
      steps.push({
        at: Date.parse(time),
        coarse: false,
        object: thing.title,
        what: `first line of its log: ${shortened(line ?? '', 120)}`,
        who: name,
        bad: false,
      });
  }
  return steps;
}

/** By revision where there is one; the others by their time. What is known to the second only goes after what is known better in that second. */
function inOrder(steps: readonly Step[]): Step[] {
  const certain = steps.filter(({ revision }) => revision !== undefined).toSorted((a, b) => a.revision! - b.revision!);
  let latest = 0;
  for (const step of certain) {
    latest = Math.max(latest, step.at);
    step.at = latest;
  }
  const rest = steps.filter(({ revision }) => revision === undefined).toSorted((a, b) => a.at - b.at);
  const merged: Step[] = [];
  let next = 0;
  for (const step of certain) {
    while (next < rest.length && rest[next]!.at < step.at) merged.push(rest[next++]!);
    merged.push(step);
  }
  return [...merged, ...rest.slice(next)];
}
