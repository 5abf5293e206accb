/** The templates that a StatefulSet or DaemonSet has had, as ControllerRevisions: what goes back goes back to one of these. */
import {
  type ControllerRevision,
  controllerRevisions,
  decodeProtobuf,
  encodeProtobuf,
  type PodTemplateSpec,
  ProtobufError,
} from '../api/index.ts';
import type { ReconcileContext } from '../client/index.ts';
import {
  equalJson,
  isObject,
  isStatusError,
  type KubeObject,
  type Resource,
  type Selector,
} from '../machinery/index.ts';
import { claim, refOf } from './claim.ts';
import { controllerRef } from './pods.ts';
import { hashOf } from './templatehash.ts';

export const revisionHashLabel = 'controller-revision-hash';

/** What owns revisions. */
export interface Revised extends KubeObject {
  spec?: { template: PodTemplateSpec; revisionHistoryLimit?: number };
  status?: { collisionCount?: number };
}

export interface History {
  /** Of the present template. */
  update: ControllerRevision;
  /** All, by age; `update` is the last. */
  all: ControllerRevision[];
}

/** Undefined: the name of the next revision is taken; the owner's `collisionCount` has to grow first. */
export async function historyOf(
  context: ReconcileContext,
  resource: Resource<any>,
  owner: Revised,
  selector: Selector,
): Promise<History | undefined> {
  const { client } = context;
  const claimed = await claim<ControllerRevision>(context, resource, owner, selector, controllerRevisions);
  const known = claimed.toSorted((a, b) => a.revision - b.revision);
  const data = dataOf(owner.spec!.template);
  const highest = known.at(-1)?.revision ?? 0;
  const same = known.findLast((one) => equalJson(one.data, data) || equalJson(dataOf(templateOf(one)), data));
  if (same !== undefined) {
    const others = known.filter((one) => one !== same);
    const update =
      same.revision === highest
        ? same
        : await client.update<ControllerRevision>(controllerRevisions, { ...same, revision: highest + 1 });
    return { update, all: [...others, update] };
  }
  const made = revisionFor(resource, owner, data, highest + 1);
  try {
    const update = await client.create<ControllerRevision>(controllerRevisions, made);
    return { update, all: [...known, update] };
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
    const there = await client.get<ControllerRevision>(controllerRevisions, refOf(made));
    const mine = there.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid);
    return mine && equalJson(there.data, data) ? { update: there, all: [...known, there] } : undefined;
  }
}

/** A patch that puts the template back: written as Go writes it, byte for byte, because others find a revision by comparing bytes. */
function dataOf(template: PodTemplateSpec): Record<string, any> {
  return sorted({ spec: { template: { ...asGoHasIt(template), $patch: 'replace' } } }) as Record<string, any>;
}

/** With the empty values that Go's types always write, such as `resources: {}`: its binary form has the same ones. */
function asGoHasIt(template: PodTemplateSpec): object {
  try {
    const { object } = decodeProtobuf(encodeProtobuf({ template }, 'v1', 'PodTemplate'));
    return (object as { template: object }).template;
  } catch (error) {
    if (error instanceof ProtobufError) return template;
    throw error;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const names = Object.keys(value).toSorted();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}

export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = revision.data!.spec.template;
  return template;
}

function revisionFor(
  resource: Resource<any>,
  owner: Revised,
  data: Record<string, any>,
  revision: number,
): ControllerRevision {
  const hash = hashOf(owner.spec!.template, owner.status?.collisionCount);
  return {
    metadata: {
      name: `${owner.metadata.name!.slice(0, 223)}-${hash}`,
      namespace: owner.metadata.namespace,
      labels: { ...owner.spec!.template.metadata?.labels, [revisionHashLabel]: hash },
      annotations: { ...owner.metadata.annotations },
      ownerReferences: [controllerRef(resource, owner)],
    },
    data,
    revision,
  };
}

/** Lets go of the oldest that nothing uses. */
export async function trimHistory(
  { client }: ReconcileContext,
  owner: Revised,
  all: readonly ControllerRevision[],
  isUsed: (one: ControllerRevision) => boolean,
): Promise<void> {
  const unused = all.filter((one) => !isUsed(one));
  const excess = unused.length - (owner.spec!.revisionHistoryLimit ?? 10);
  for (const one of unused.slice(0, Math.max(0, excess)))
    await client.delete(controllerRevisions, refOf(one)).catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound')) throw error;
    });
}
