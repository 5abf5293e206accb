/**
 * Whether the expressions of a policy make sense for the kinds that it is about: what is found goes into the policy's status. It is advice, and
 * refuses nothing: a policy may be about kinds that nobody knows yet.
 */
import type { ValidatingAdmissionPolicy } from '../../../api/index.ts';
import { dynType, schemaType, type Type } from '../../../machinery/cel/index.ts';
import { type AnyObject, cloneJson, isStatusError } from '../../../machinery/index.ts';
import type { CacheEvent } from '../../cache/index.ts';
import type { Registry, ResourceCall } from '../../registry/context.ts';
import { change } from '../../registry/update.ts';
import type { Resources, ServedResource } from '../../resources.ts';
import { compiledOf, environmentOf, environmentWith } from '../dynamic/index.ts';

type Policy = ValidatingAdmissionPolicy;
type Warning = { fieldRef: string; warning: string };

const mostKinds = 10;
const policies = { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingadmissionpolicies' };
const self = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** Checks every policy once for each of its generations, from now on. */
export async function followPolicies(registry: Registry, failed: (error: unknown) => void): Promise<void> {
  const served = registry.resources.find(policies.group, policies.version, policies.resource)!;
  const cache = await registry.resources.cache(served);
  const look = (object: AnyObject) => {
    if (object.status?.observedGeneration === object.metadata.generation) return;
    tell(registry, served, object as Policy & AnyObject).catch((error: unknown) => {
      // who wrote in between has made a generation of its own, and that is looked at, too
      if (!isStatusError(error, 'NotFound', 'Conflict')) failed(error);
    });
  };
  for (const entry of cache.entries.values()) look(entry.object);
  const onEvents = (events: readonly CacheEvent[]) => {
    for (const { deleted, entry } of events) if (!deleted) look(entry.object);
  };
  cache.listen({ onEvents, onEnd: () => {} });
}

async function tell(registry: Registry, served: ServedResource, policy: Policy & AnyObject): Promise<void> {
  const expressionWarnings = warningsOf(registry.resources, policy);
  const { generation } = policy.metadata;
  const call: ResourceCall = {
    served,
    verb: 'update',
    namespace: '',
    name: policy.metadata.name!,
    subresource: 'status',
    options: {},
    user: self,
    userAgent: 'kube-apiserver',
    warn: () => {},
  };
  await change(registry, call, {
    part: 'status',
    make: (current) => {
      const next = cloneJson(current);
      const typeChecking = expressionWarnings.length > 0 ? { expressionWarnings } : {};
      next.status = { ...next.status, observedGeneration: generation, typeChecking };
      return next;
    },
  });
}

export function warningsOf(resources: Resources, { spec }: Policy): Warning[] {
  const kinds = kindsOf(resources, spec.matchConstraints?.resourceRules ?? []);
  const params = spec.paramKind && resources.findKind(spec.paramKind.apiVersion!, spec.paramKind.kind!)?.kind.schema;
  const paramsType = params && schemaType(params, { name: 'Params', root: true });
  const warnings: Warning[] = [];
  const check = (fieldRef: string, expression: string) => {
    const found = kinds.flatMap((served) => problemOf(served, spec, expression, paramsType));
    if (found.length > 0) warnings.push({ fieldRef, warning: found.join('\n') });
  };
  for (const [i, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
    check(`spec.validations[${i}].expression`, expression);
    if (messageExpression) check(`spec.validations[${i}].messageExpression`, messageExpression);
  }
  return warnings;
}

function problemOf(
  { kind, apiVersion }: ServedResource,
  spec: Policy['spec'],
  expression: string,
  paramsType: Type | undefined,
): string[] {
  const object = schemaType(kind.schema, { name: kind.kind, root: true });
  if (object === undefined) return [];
  const base = environmentOf({ hasParams: spec.paramKind !== undefined }).extend({
    types: [object, ...(paramsType === undefined ? [] : [paramsType])],
    variables: {
      object,
      oldObject: object,
      ...(spec.paramKind !== undefined && { params: paramsType ?? dynType }),
    },
  });
  const { environment } = environmentWith(base, (spec.variables ?? []) as { name: string; expression: string }[]);
  const { problem } = compiledOf(expression, environment);
  return problem === undefined ? [] : [`${apiVersion}, Kind=${kind.kind}: ${problem}\n`];
}

type Rule = NonNullable<NonNullable<Policy['spec']['matchConstraints']>['resourceRules']>[number];

/** The kinds that the rules name in full. */
function kindsOf(resources: Resources, rules: readonly Rule[]): ServedResource[] {
  const found = new Set<ServedResource>();
  const named = (list: readonly string[] = []) => (list.includes('*') ? [] : list);
  for (const { apiGroups, apiVersions, resources: of = [] } of rules)
    for (const group of named(apiGroups))
      for (const version of named(apiVersions))
        for (const resource of of) {
          const served = resources.find(group, version, resource);
          if (served !== undefined && found.size < mostKinds) found.add(served);
        }
  return [...found].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function key({ apiVersion, kind }: ServedResource): string {
  return `${apiVersion} ${kind.kind}`;
}
