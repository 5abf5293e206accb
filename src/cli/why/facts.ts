/** What happened to an object between two of its states, in a few words. */
import type { AnyObject } from '../../machinery/index.ts';
import { type Condition, conditionOf, isWell, wordsOf } from './conditions.ts';
import type { Fact } from './fact.ts';
import { podFacts } from './podfacts.ts';
import { shortened } from './words.ts';

const changesShown = 3;

/** `before` undefined: it was created. */
export function factsBetween(before: AnyObject | undefined, after: AnyObject): Fact[] {
  const facts: Fact[] = [];
  if (before === undefined) facts.push({ what: created(after) });
  else if (after.metadata.deletionTimestamp && !before.metadata.deletionTimestamp)
    facts.push({ what: deletion(after) });
  const isPod = after.kind === 'Pod' && after.apiVersion === 'v1';
  if (before !== undefined) facts.push(...changesOf(before, after, isPod));
  if (isPod) return [...facts, ...podFacts(before ?? {}, after)];
  facts.push(...counts(before, after));
  if (after.kind === 'EndpointSlice') facts.push(...addresses(before, after));
  else if (after.kind === 'Endpoints') return facts;
  return [...facts, ...flips(before?.status, after.status), ...phase(before, after)];
}

function created(object: AnyObject): string {
  const { spec = {}, kind } = object;
  const details: string[] = [];
  if (typeof spec.replicas === 'number')
    details.push(`${spec.replicas} ${spec.replicas === 1 ? 'replica' : 'replicas'}`);
  const containers: { image?: string }[] = (spec.template?.spec ?? spec).containers ?? [];
  details.push(...containers.flatMap(({ image }) => image ?? []));
  if (kind === 'Service' && spec.clusterIP) details.push(`${spec.type ?? 'ClusterIP'} ${spec.clusterIP}`);
  return details.length === 0 ? 'created' : `created: ${details.join(', ')}`;
}

function deletion({ metadata }: AnyObject): string {
  const grace = metadata.deletionGracePeriodSeconds;
  const held = metadata.finalizers?.length ? `, held by ${metadata.finalizers.join(', ')}` : '';
  return `is to be deleted${grace ? ` within ${grace} s` : ''}${held}`;
}

/** What somebody wants otherwise than before. */
function changesOf(before: AnyObject, after: AnyObject, isPod: boolean): Fact[] {
  if (after.kind === 'EndpointSlice' || after.kind === 'Endpoints') return [];
  const changes: string[] = [];
  for (const part of Object.keys({ ...before, ...after })) {
    if (part === 'status' || part === 'metadata' || part === 'kind' || part === 'apiVersion') continue;
    const secret = after.kind === 'Secret' && (part === 'data' || part === 'stringData');
    differences(part, before[part], after[part], changes, secret);
  }
  for (const part of ['labels', 'annotations'] as const)
    differences(`metadata.${part}`, before.metadata[part] ?? {}, after.metadata[part] ?? {}, changes, false);
  // that is told in its own words
  const told = changes.filter(
    (change) => !(isPod && change.startsWith('spec.nodeName')) && !ownBookkeeping.test(change),
  );
  if (told.length === 0) return [];
  const rest = told.length - changesShown;
  return [{ what: `changed: ${told.slice(0, changesShown).join('; ')}${rest > 0 ? `; and ${rest} more` : ''}` }];
}

/** Annotations in which controllers keep notes. */
const ownBookkeeping =
  /^metadata\.annotations\.(deployment\.kubernetes\.io\/|kubectl\.kubernetes\.io\/last-applied|endpoints\.kubernetes\.io\/)/;

function differences(path: string, before: any, after: any, into: string[], secret: boolean): void {
  if (before === after) return;
  const open = isTree(before) && isTree(after) && Array.isArray(before) === Array.isArray(after);
  if (open) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      differences(Array.isArray(after) ? `${path}[${key}]` : `${path}.${key}`, before[key], after[key], into, secret);
    return;
  }
  if (secret) into.push(path);
  else if (after === undefined) into.push(`${path} taken away`);
  else into.push(before === undefined ? `${path} ${text(after)}` : `${path} ${text(before)} → ${text(after)}`);
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  return shortened(typeof value === 'string' ? value : JSON.stringify(value), 60);
}

/** How many of the replicas, or of a job's pods, are there. */
function counts(before: AnyObject | undefined, after: AnyObject): Fact[] {
  const { status = {}, spec = {} } = after;
  const old = before?.status ?? {};
  const facts: Fact[] = [];
  const wanted = status.desiredNumberScheduled ?? spec.replicas;
  const ready = (of: any) => of.numberReady ?? of.readyReplicas ?? 0;
  if (typeof wanted === 'number' && ready(status) !== ready(old))
    facts.push({ what: `${ready(status)} of ${wanted} ready` });
  for (const one of ['succeeded', 'failed'])
    if (after.kind === 'Job' && (status[one] ?? 0) > (old[one] ?? 0))
      facts.push({ what: `${status[one]} of its pods ${one}`, bad: one === 'failed' });
  return facts;
}

function addresses(before: AnyObject | undefined, after: AnyObject): Fact[] {
  const readyIn = (slice: AnyObject | undefined): string[] =>
    (slice?.endpoints ?? [])
      .filter(({ conditions }: any) => conditions?.ready !== false)
      .flatMap((one: any) => one.addresses);
  const [old, now] = [new Set(readyIn(before)), new Set(readyIn(after))];
  const added = [...now].filter((one) => !old.has(one));
  const gone = [...old].filter((one) => !now.has(one));
  return [
    ...(added.length > 0 ? [{ what: `sends to ${shortened(added.join(', '), 80)}` }] : []),
    ...(gone.length > 0 ? [{ what: `no longer sends to ${shortened(gone.join(', '), 80)}` }] : []),
  ];
}

/** A condition that begins as one expects it to is no news. */
function flips(before: any, after: any): Fact[] {
  const facts: Fact[] = [];
  for (const condition of (after?.conditions ?? []) as Condition[]) {
    const known = conditionOf(before, condition.type);
    if (known?.status === condition.status) continue;
    const well = isWell(condition);
    if (known === undefined && well === (condition.type === 'Progressing')) continue;
    const troubles = well === false && known !== undefined;
    facts.push({ what: shortened(wordsOf(condition), 200), ...(troubles && { bad: true }) });
  }
  return facts;
}

function phase(before: AnyObject | undefined, after: AnyObject): Fact[] {
  const now = after.status?.phase;
  return typeof now === 'string' && now !== before?.status?.phase ? [{ what: `is ${now}` }] : [];
}
