/**
 * A namespace that is being deleted is emptied, of every kind that can be in one, and then let go.
 */
import { kinds, type Namespace, namespaces } from '../api/index.ts';
import type { Controller, ReconcileContext } from '../client/index.ts';
import { type AnyObject, formatTime, isStatusError, type KubeObject, type Resource } from '../machinery/index.ts';

const recheck = 5_000;
const finalizer = 'kubernetes';

/** What can be in a namespace and can be deleted. One version of each will do. */
const contents: readonly Resource[] = Object.values(
  Object.fromEntries(
    kinds
      .filter((kind) => kind.namespaced && kind.verbs.includes('list') && kind.verbs.includes('delete'))
      .map((kind) => [`${kind.group}/${kind.resource}`, kind]),
  ),
);

export const namespaceController: Controller<Namespace & KubeObject> = {
  name: 'namespace-controller',
  for: namespaces as Resource<any>,
  when: (_old, namespace) => namespace?.metadata.deletionTimestamp !== undefined,
  async reconcile(key, context) {
    const namespace = context.lister<Namespace & KubeObject>(namespaces as Resource<any>).get(key);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!namespace.spec?.finalizers?.includes(finalizer)) return;
    const left = await empty(key, context);
    if (left.length > 0) {
      await tell(namespace, left, context);
      return { requeueAfter: Math.min(recheck, 200 + left.length * 50) };
    }
    const finalizers = namespace.spec.finalizers.filter((one) => one !== finalizer);
    const done = { ...namespace, spec: { ...namespace.spec, finalizers } };
    await context.client.update(namespaces as Resource<any>, done, { subresource: 'finalize' }).catch(ignoreGone);
  },
};

/** Deletes all that is there; returns what still is afterwards, as `3 pods`. */
async function empty(namespace: string, { client }: ReconcileContext): Promise<string[]> {
  const left: string[] = [];
  for (const resource of contents) {
    const { items } = await client.list<AnyObject>(resource, { namespace });
    if (items.length === 0) continue;
    await client.deleteCollection(resource, { namespace }, { propagationPolicy: 'Background' });
    const after = (await client.list<AnyObject>(resource, { namespace })).items;
    if (after.length > 0) left.push(`${after.length} ${resource.resource}`);
  }
  return left;
}

async function tell(
  namespace: Namespace & KubeObject,
  left: readonly string[],
  { client, clock }: ReconcileContext,
): Promise<void> {
  const message = `Some resources are remaining: ${left.join(', ')}`;
  const conditions: AnyObject['conditions'] = namespace.status?.conditions ?? [];
  if (conditions.some((one: { message?: string }) => one.message === message)) return;
  const condition = {
    type: 'NamespaceContentRemaining',
    status: 'True',
    reason: 'SomeResourcesRemain',
    message,
    lastTransitionTime: formatTime(clock.now()),
  };
  const others = conditions.filter((one: { type: string }) => one.type !== condition.type);
  const status = { ...namespace.status, conditions: [...others, condition] };
  await client
    .update(namespaces as Resource<any>, { ...namespace, status }, { subresource: 'status' })
    .catch(ignoreGone);
}

function ignoreGone(error: unknown): void {
  if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
}
