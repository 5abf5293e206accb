/** What the steps of a Stage write, from the object as it was when the Stage was chosen. */
import { load } from 'js-yaml';
import { type Kind, kindOfGvk } from '../../../api/index.ts';
import type { Client, Patch } from '../../../client/index.ts';
import { type AnyObject, isStatusError } from '../../../machinery/index.ts';
import type { StageFinalizers } from './kinds.ts';
import type { Step } from './stage.ts';
import { type Template, TemplateError } from './template/index.ts';

type Operation = { op: string; path: string; value?: unknown };

/** Performs one step but for its event; resolves with the object as it then is, if it was changed. */
export async function perform(
  client: Client,
  kind: Kind,
  object: AnyObject,
  step: Step,
): Promise<AnyObject | undefined> {
  const { name = '', namespace } = object.metadata;
  const ref = { name, ...(kind.namespaced && { namespace }) };
  let changed: AnyObject | undefined;
  if (step.finalizers) {
    const operations = finalizerOperations(object.metadata.finalizers ?? [], step.finalizers);
    if (operations.length > 0) changed = await client.patch(kind, ref, { type: 'json', operations });
  }
  if (step.delete) {
    // as a node agent ends a pod: at once; whatever else has a grace period of its own
    await client.delete(kind, ref, { gracePeriodSeconds: 0, preconditions: { uid: object.metadata.uid } });
    return undefined;
  }
  if (step.patch) {
    const { subresource } = step.patch;
    changed = await client.patch(kind, ref, patchOf(kind, object, step.patch), subresource ? { subresource } : {});
  }
  if (step.apply) await apply(client, object, step.apply);
  return changed;
}

function rendered(render: Template, object: AnyObject): unknown {
  const text = render(object);
  try {
    return load(text);
  } catch (error) {
    throw new TemplateError(`what it makes is not YAML (${(error as Error).message.split('\n')[0]}): ${text}`);
  }
}

function patchOf(kind: Kind, object: AnyObject, { render, root, type }: NonNullable<Step['patch']>): Patch {
  const made = rendered(render, object);
  if (type === 'json') {
    if (!Array.isArray(made)) throw new TemplateError('a patch of type json is a list of operations');
    const at = root ? `/${root}` : '';
    return { type: 'json', operations: (made as Operation[]).map((one) => ({ ...one, path: at + one.path })) };
  }
  const standard = kind.group === '' && (kind.kind === 'Pod' || kind.kind === 'Node') ? 'strategic' : 'merge';
  return { type: type ?? standard, body: root ? { [root]: made ?? {} } : made };
}

async function apply(client: Client, object: AnyObject, step: NonNullable<Step['apply']>): Promise<void> {
  const made = rendered(step.render, object) as AnyObject;
  const [version = '', group = ''] = (made?.apiVersion ?? '').split('/').toReversed();
  const kind = kindOfGvk({ group, version, kind: made?.kind ?? '' });
  if (kind === undefined)
    throw new TemplateError(`apply: apiVersion ${made?.apiVersion}, kind ${made?.kind} is not a built-in kind`);
  if (kind.namespaced) made.metadata.namespace ??= object.metadata.namespace;
  const { subresource, type = 'apply' } = step;
  const ref = { name: made.metadata.name!, ...(kind.namespaced && { namespace: made.metadata.namespace }) };
  const change = () =>
    type === 'apply'
      ? client.apply(kind, made, { fieldManager: 'kwok', force: true, ...(subresource && { subresource }) })
      : client.patch(kind, ref, { type, body: made }, subresource ? { subresource } : {});
  if (subresource) return void (await change());
  try {
    await client.create(kind, made);
  } catch (error) {
    if (!isStatusError(error, 'AlreadyExists')) throw error;
    await change();
  }
}

function finalizerOperations(
  present: readonly string[],
  { add = [], remove = [], empty }: StageFinalizers,
): Operation[] {
  const removed = new Set(remove.map(({ value }) => value));
  const kept = empty ? [] : present.filter((one) => !removed.has(one));
  const wanted = [...new Set([...kept, ...add.map(({ value }) => value)])];
  if (wanted.join('\n') === present.join('\n')) return [];
  if (wanted.length === 0) return [{ op: 'remove', path: '/metadata/finalizers' }];
  return [{ op: 'add', path: '/metadata/finalizers', value: wanted }];
}
