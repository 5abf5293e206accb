import { type AnyObject, applyJsonPatch, cloneJson, equalJson, StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest, AdmissionStep, Reinvocation } from '../../registry/context.ts';
import { decode } from '../../registry/decode.ts';
import type { ServedResource } from '../../resources.ts';
import { convertTo, isExempt, matches, settled, type Versioned, versionedAs } from '../dynamic/index.ts';
import { replace } from '../lookup.ts';
import { chosenBy } from './conditions.ts';
import { type Hook, hooksOf } from './hooks.ts';
import { type Means, review } from './review.ts';
import { tolerate } from './validating.ts';

const quiet = { options: { fieldValidation: 'Ignore' as const }, warn: () => {} };

/** What the step remembers between the first round of a request and the second. */
interface Memory {
  /** The uids of those that asked to be called again if others change the object. */
  readonly reinvocable: Set<string>;
  /** Of those, the ones that a later change concerns. */
  readonly due: Set<string>;
  last: AnyObject | undefined;
}

/** One after the other, in order; each sees what those before it changed. */
export function mutatingWebhooks(means: Means): AdmissionStep {
  const hooks = hooksOf('mutating');
  const memories = new WeakMap<Reinvocation, Memory>();
  const ask = async (request: AdmissionRequest, list: readonly Hook[], round: Reinvocation): Promise<void> => {
    const memory = memories.get(round) ?? { reinvocable: new Set<string>(), due: new Set<string>(), last: undefined };
    memories.set(round, memory);
    if (round.again && !equalJson(memory.last, request.object)) require(memory);
    for (const [index, hook] of list.entries()) {
      const served = await matches(request, hook.criteria);
      if (served === undefined) continue;
      if (round.again && !memory.due.has(hook.uid)) continue;
      const seen = await versionedAs(served, request);
      if (!(await settled(() => chosenBy(hook, request, served, seen)))) continue;
      const where = `round_${round.again ? 1 : 0}_index_${index}`;
      const changed = await askOne(means, hook, request, served, seen, where);
      if (changed) {
        require(memory);
        round.wanted = true;
      }
      if (hook.webhook.reinvocationPolicy === 'IfNeeded') memory.reinvocable.add(hook.uid);
    }
    memory.last = request.object && cloneJson(request.object);
  };
  return {
    name: 'MutatingAdmissionWebhook',
    operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
    admit(request, round) {
      const list = hooks.of(request.registry);
      if (list instanceof Promise)
        return list.then((filled) => (isExempt(request) ? undefined : ask(request, filled, round)));
      if (list.length > 0 && !isExempt(request)) return ask(request, list, round);
    },
  };
}

function require(memory: Memory): void {
  for (const uid of memory.reinvocable) memory.due.add(uid);
  memory.reinvocable.clear();
}

/** Whether it changed the object. */
async function askOne(
  means: Means,
  hook: Hook,
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
  where: string,
): Promise<boolean> {
  const { call } = request;
  const { configuration, webhook } = hook;
  let changed = false;
  try {
    const patch = await review(means, hook, request, served, seen, true);
    if (patch === undefined || patch.length === 0) return false;
    changed = await change(request, served, seen, patch, webhook.name);
    call.annotate?.(
      `patch.webhook.admission.k8s.io/${where}`,
      JSON.stringify({ configuration, webhook: webhook.name, patch, patchType: 'JSONPatch' }),
    );
  } catch (error) {
    tolerate(means, error, hook, request, `mutation.webhook.admission.k8s.io/${where}`);
  } finally {
    call.annotate?.(
      `mutation.webhook.admission.k8s.io/${where}`,
      JSON.stringify({ configuration, webhook: webhook.name, mutated: changed }),
    );
  }
  return changed;
}

async function change(
  request: AdmissionRequest,
  served: ServedResource,
  { object }: Versioned,
  patch: readonly unknown[],
  name: string,
): Promise<boolean> {
  if (object === undefined)
    throw StatusError.internal(
      `admission webhook ${JSON.stringify(name)} attempted to modify the object, which is not supported for this operation`,
    );
  const { call } = request;
  const { kind } = served;
  let patched: AnyObject;
  try {
    const result = cloneJson(applyJsonPatch(object, patch));
    patched = object.kind === kind.kind ? decode(kind, result, quiet) : (result as AnyObject);
  } catch (error) {
    throw StatusError.internal((error as Error).message);
  }
  if (object.kind === kind.kind) kind.default?.(patched);
  if (equalJson(patched, object)) return false;
  replace(request.object!, object.kind === kind.kind ? await convertTo(served, call.served, patched) : patched);
  return true;
}
