/** What an object still waits for, and why, from its present state. */
import type { AnyObject } from '../../machinery/index.ts';
import { type Condition, conditionOf, isWell, wordsOf } from './conditions.ts';
import { isPod, type Thing } from './things.ts';
import { shortened } from './words.ts';

export interface Wait {
  readonly object: string;
  /** `waits for …`, or what is wrong with it. */
  readonly what: string;
}

/** `events`: about any of the things. Empty: nothing is waited for, as far as can be told. */
export function waitsOf(things: readonly Thing[], events: readonly AnyObject[]): Wait[] {
  const waits: Wait[] = [];
  for (const thing of things) {
    const { object, title: called } = thing;
    if (object === undefined) continue;
    const { metadata } = object;
    const add = (what: string) => waits.push({ object: called, what: shortened(what, 300) });
    if (metadata.deletionTimestamp && metadata.finalizers?.length)
      add(`waits to be deleted until somebody takes away its finalizers ${metadata.finalizers.join(', ')}`);
    const lastWarning = events
      .filter((one) => one.involvedObject?.uid === metadata.uid && one.type === 'Warning')
      .toSorted((a, b) => timeOf(a) - timeOf(b))
      .at(-1);
    if (isPod(thing)) for (const what of podWaits(object, lastWarning)) add(`waits for ${what}`);
    else for (const what of otherWaits(object, things)) add(what);
  }
  return waits;
}

function timeOf({ lastTimestamp, series, eventTime, metadata }: AnyObject): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '') || 0;
}

function* podWaits({ metadata, spec, status = {} }: AnyObject, warning: AnyObject | undefined): Generator<string> {
  if (status.phase === 'Succeeded') return;
  if (status.phase === 'Failed')
    return yield `nothing any more: it failed${status.reason ? ` (${status.reason})` : ''}`;
  if (metadata.deletionTimestamp && !metadata.finalizers?.length) return yield 'its containers to end';
  const scheduled = conditionOf(status, 'PodScheduled');
  if (!spec.nodeName)
    return yield scheduled?.message ? `a node: ${scheduled.message}` : `a node, which ${spec.schedulerName} is to find`;
  const said = warning ? `: ${warning.reason}: ${warning.message}` : '';
  let waiting = 0;
  for (const { name, state = {}, ready, started } of [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
  ]) {
    const { waiting: why, running } = state;
    const usual = why?.reason === 'ContainerCreating' || why?.reason === 'PodInitializing';
    if (why && !usual) yield `container ${name}: ${[why.reason, why.message].filter(Boolean).join(': ')}`;
    else if (running && started === false) yield `container ${name} to pass its startup probe${said}`;
    else if (running && !ready && !isInit(status, name)) yield `container ${name} to pass its readiness probe${said}`;
    else continue;
    waiting++;
  }
  if (waiting > 0 || conditionOf(status, 'Ready')?.status === 'True') return;
  const open = (spec.readinessGates ?? []).map((one: any) => one.conditionType);
  const gates = open.filter((type: string) => conditionOf(status, type)?.status !== 'True');
  if (gates.length > 0) yield `somebody to set its conditions ${gates.join(', ')} (readiness gates)`;
  else yield `node ${spec.nodeName} to start it${said}`;
}

function isInit(status: any, name: string): boolean {
  return (status.initContainerStatuses ?? []).some((one: any) => one.name === name);
}

function* otherWaits(object: AnyObject, things: readonly Thing[]): Generator<string> {
  const { kind, spec = {}, status = {}, metadata } = object;
  if (metadata.generation !== undefined && status.observedGeneration !== undefined)
    if (status.observedGeneration < metadata.generation) yield 'waits for its controller to see its latest change';
  if (spec.paused === true) yield 'waits for somebody to resume it: it is paused';
  if (spec.suspend === true) yield 'waits for somebody to resume it: it is suspended';
  const wanted = status.desiredNumberScheduled ?? spec.replicas;
  const ready = status.numberReady ?? status.readyReplicas ?? 0;
  if (typeof wanted === 'number' && ready < wanted)
    yield `waits for ${wanted - ready} of its ${wanted} pods to become ready`;
  const updated = status.updatedNumberScheduled ?? status.updatedReplicas;
  if (kind !== 'ReplicaSet' && typeof wanted === 'number' && updated !== undefined && updated < wanted)
    yield `waits for ${wanted - updated} of its ${wanted} pods to be replaced by new ones`;
  for (const condition of (status.conditions ?? []) as Condition[])
    if (isWell(condition) === false && !(condition.type === 'Available' && typeof wanted === 'number'))
      yield wordsOf(condition);
  if (kind === 'PersistentVolumeClaim' && status.phase !== 'Bound') yield 'waits for a volume to be bound to';
  if (kind === 'Service' && spec.selector && !things.some(isPod))
    yield `waits for pods with the labels ${Object.entries(spec.selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')}: there are none`;
}
