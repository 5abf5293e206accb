/**
 * A namespace that is being deleted is emptied, of every kind that can be in one, pods first, and then let go. What does not go is told in its
 * conditions.
 */
import { customResourceDefinitions, type Namespace, type NamespaceCondition, namespaces, pods } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import {
  type AnyObject,
  equalJson,
  formatTime,
  isStatusError,
  qualifiedResource,
  type Resource,
} from '../machinery/index.ts';
import { resourceOfDefinition, resourcesWith } from './resources.ts';

const recheck = 5_000;
const finalizer = 'kubernetes';

/** What can be in a namespace and can be deleted. Pods go first: the rest may be what they need to end well. */
const contents: readonly Resource[] = [
  pods,
  ...resourcesWith('list', 'delete').filter((one) => one.namespaced && !isPods(one)),
];

function isPods({ group, resource }: Resource): boolean {
  return group === pods.group && resource === pods.resource;
}

export const namespaceController: Controller<Namespace> = {
  name: 'namespace-controller',
  for: namespaces,
  reads: [customResourceDefinitions],
  when: (_old, namespace) => namespace?.metadata.deletionTimestamp !== undefined,
  async reconcile(key, context) {
    const namespace = context.lister(namespaces).get(key);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!namespace.spec?.finalizers?.includes(finalizer)) return;
    const { left, failed } = await empty(key, context);
    if (left.length > 0 || failed.length > 0) {
      await tell(namespace, conditionsFor(left, failed), context);
      return { requeueAfter: Math.min(recheck, 200 + left.length * 50) };
    }
    const finalizers = namespace.spec.finalizers.filter((one) => one !== finalizer);
    const fresh = context.lister(namespaces).get(key) ?? namespace;
    const done = { ...fresh, spec: { ...fresh.spec, finalizers } };
    await context.client.update<Namespace>(namespaces, done, { subresource: 'finalize' }).catch(ignoreGone);
  },
};

function customContents(context: ReconcileContext): Resource[] {
  const all = [...context.lister(customResourceDefinitions).list()].map(resourceOfDefinition);
  return all.filter((resource) => resource?.namespaced === true) as Resource[];
}

export interface Left {
  resource: Resource;
  objects: readonly AnyObject[];
}

/** Deletes all that is there; tells what still is afterwards, and what could not be deleted. */
async function empty(namespace: string, context: ReconcileContext): Promise<{ left: Left[]; failed: string[] }> {
  const { client } = context;
  const left: Left[] = [];
  const failed: string[] = [];
  for (const resource of [...contents, ...customContents(context)]) {
    try {
      const { items } = await client.list<AnyObject>(resource, { namespace });
      if (items.length === 0) continue;
      await client.deleteCollection(resource, { namespace }, { propagationPolicy: 'Background' });
      const objects = (await client.list<AnyObject>(resource, { namespace })).items;
      if (objects.length > 0) left.push({ resource, objects });
    } catch (error) {
      failed.push(`${qualifiedResource(resource)}: ${(error as Error).message}`);
    }
    if (isPods(resource) && left.length > 0) break;
  }
  return { left, failed };
}

type Told = Pick<NamespaceCondition, 'type' | 'status' | 'reason' | 'message'>;

export function conditionsFor(left: readonly Left[], failed: readonly string[]): Told[] {
  const remaining = left.map(({ resource, objects }) => `${nameOf(resource)} has ${objects.length} resource instances`);
  const counts = new Map<string, number>();
  for (const { objects } of left)
    for (const { metadata } of objects)
      for (const one of metadata.finalizers ?? []) counts.set(one, (counts.get(one) ?? 0) + 1);
  const finalizers = [...counts].map(([name, count]) => `${name} in ${count} resource instances`);
  const contentFailed = `Failed to delete all resource types, ${failed.length} remaining: ${failed.join(', ')}`;
  return [
    told(
      'NamespaceDeletionContentFailure',
      failed,
      'ContentDeletionFailed',
      contentFailed,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    told(
      'NamespaceContentRemaining',
      remaining,
      'SomeResourcesRemain',
      `Some resources are remaining: ${remaining.join(', ')}`,
      'ContentRemoved',
      'All content successfully removed',
    ),
    told(
      'NamespaceFinalizersRemaining',
      finalizers,
      'SomeFinalizersRemain',
      `Some content in the namespace has finalizers remaining: ${finalizers.join(', ')}`,
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished',
    ),
  ];
}

function nameOf({ group, resource }: Resource): string {
  return `${resource}.${group}`;
}

function told(
  type: string,
  what: readonly string[],
  bad: string,
  badMessage: string,
  good: string,
  goodMessage: string,
): Told {
  return what.length > 0
    ? { type, status: 'True', reason: bad, message: badMessage }
    : { type, status: 'False', reason: good, message: goodMessage };
}

async function tell(namespace: Namespace, news: readonly Told[], { client, clock }: ReconcileContext): Promise<void> {
  const before = namespace.status?.conditions ?? [];
  const now = formatTime(clock.now());
  const after = news.map((one): NamespaceCondition => {
    const known = before.find(({ type }) => type === one.type);
    return { ...one, lastTransitionTime: known?.status === one.status ? known.lastTransitionTime : now };
  });
  const conditions = [...before.filter(({ type }) => !news.some((one) => one.type === type)), ...after];
  if (equalJson(conditions, before)) return;
  const status = { ...namespace.status, conditions };
  await client.update<Namespace>(namespaces, { ...namespace, status }, { subresource: 'status' }).catch(ignoreGone);
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound')) throw error;
}
