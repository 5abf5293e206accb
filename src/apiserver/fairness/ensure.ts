/**
 * Keeps the FlowSchemas and PriorityLevelConfigurations that every cluster has. The mandatory ones are always as they must be; the suggested ones
 * come back when they are deleted, and are kept up to date unless their annotation `apf.kubernetes.io/autoupdate-spec` says `false`.
 */
import {
  autoUpdateAnnotation,
  mandatoryFlowSchemas,
  mandatoryPriorityLevels,
  suggestedFlowSchemas,
  suggestedPriorityLevels,
} from '../../api/index.ts';
import { type AnyObject, cloneJson, equalJson, formatTime } from '../../machinery/index.ts';
import { storedBytes } from '../cache/index.ts';
import { writeAsServer } from '../ownwrites.ts';
import type { Registry } from '../registry/index.ts';
import { keyFor } from '../resources.ts';
import { condition } from './dangling.ts';
import type { Followed } from './followed.ts';

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1';

/** Creates what is missing, mends what is kept, removes what was kept by another version and is not any more. */
export async function ensure(registry: Registry, levels: Followed, schemas: Followed): Promise<void> {
  await Promise.all([
    keep(registry, levels, 'PriorityLevelConfiguration', mandatoryPriorityLevels, suggestedPriorityLevels),
    keep(registry, schemas, 'FlowSchema', mandatoryFlowSchemas, suggestedFlowSchemas),
  ]);
}

async function keep(
  registry: Registry,
  { served, cache }: Followed,
  kind: string,
  mandatory: Readonly<Record<string, object>>,
  suggested: Readonly<Record<string, object>>,
): Promise<void> {
  const writes: Promise<unknown>[] = [];
  const wanted = { ...suggested, ...mandatory };
  for (const [name, spec] of Object.entries(wanted)) {
    const key = keyFor(served, '', name);
    const known = cache.entries.get(key);
    if (known === undefined) {
      const value = storedBytes(fresh(registry, kind, name, spec));
      writes.push(registry.store.txn({ compare: [{ key, modRevision: 0 }], writes: [{ key, value }] }));
      continue;
    }
    const revised = revise(known.object, spec, Object.hasOwn(mandatory, name));
    if (revised !== undefined) writes.push(writeAsServer(registry, served, known.object, () => revised));
  }
  for (const { key, revision, object } of cache.entries.values())
    if (!Object.hasOwn(wanted, object.metadata.name!) && autoUpdates(object) === true)
      writes.push(registry.store.txn({ compare: [{ key, modRevision: revision }], writes: [{ key, delete: true }] }));
  await Promise.all(writes);
}

function fresh({ random, clock }: Registry, kind: string, name: string, spec: object): AnyObject {
  const now = formatTime(clock.now());
  const level = (spec as { priorityLevelConfiguration?: { name: string } }).priorityLevelConfiguration?.name;
  return {
    kind,
    apiVersion,
    metadata: {
      name,
      uid: random.uuid(),
      generation: 1,
      creationTimestamp: now,
      annotations: { [autoUpdateAnnotation]: 'true' },
    },
    spec: cloneJson(spec),
    status: level === undefined ? {} : { conditions: [{ ...condition(level, true), lastTransitionTime: now }] },
  } as AnyObject;
}

/** Undefined: it is as it should be. */
function revise(object: AnyObject, spec: object, always: boolean): AnyObject | undefined {
  const annotated = autoUpdates(object);
  // nobody said anything, and nobody changed anything
  const updates = always || (annotated ?? object.metadata.generation === 1);
  const differs = updates && !equalish(object, spec);
  if (!differs && annotated === updates) return undefined;
  const annotations = { ...object.metadata.annotations, [autoUpdateAnnotation]: String(updates) };
  return {
    ...object,
    metadata: { ...object.metadata, annotations },
    ...(differs && { spec: kept(object, spec) }),
  } as AnyObject;
}

/** The shares of the exempt level are the administrator's. */
function kept(object: AnyObject, spec: object): object {
  const { exempt } = object.spec;
  return cloneJson('exempt' in spec && exempt !== undefined ? { ...spec, exempt } : spec);
}

function equalish(object: AnyObject, spec: object): boolean {
  return equalJson(object.spec, kept(object, spec));
}

function autoUpdates({ metadata }: AnyObject): boolean | undefined {
  const value = metadata.annotations?.[autoUpdateAnnotation];
  if (value === undefined) return undefined;
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}
