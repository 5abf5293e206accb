/** Policies and what binds them: which hold for a request, and with which parameters. */
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/index.ts';
import { type AnyObject, type LabelSelector, labelSelectorAsSelector } from '../../../machinery/index.ts';
import type { AdmissionRequest, Registry } from '../../registry/context.ts';
import { objectAs } from '../../registry/convert.ts';
import { keyFor } from '../../resources.ts';
import { type Criteria, Followed } from '../dynamic/index.ts';
import { lookup } from '../lookup.ts';

/** What policies of both sorts say of themselves. */
export interface Policy extends AnyObject {
  readonly spec: Pick<
    ValidatingAdmissionPolicy['spec'],
    'paramKind' | 'matchConstraints' | 'matchConditions' | 'variables' | 'failurePolicy'
  > &
    Record<string, any>;
}

export interface Binding extends AnyObject {
  readonly spec: ValidatingAdmissionPolicyBinding['spec'] & Record<string, any>;
}

export interface BoundPolicy {
  readonly policy: Policy;
  readonly criteria: Criteria;
  readonly bindings: readonly { readonly binding: Binding; readonly criteria: Criteria | undefined }[];
}

const group = 'admissionregistration.k8s.io';

/** Policies that are bound, in the order of their names. */
export class BoundPolicies {
  readonly #policies: Followed<readonly Policy[]>;
  readonly #bindings: Followed<readonly Binding[]>;
  #last: { policies: readonly Policy[]; bindings: readonly Binding[]; bound: readonly BoundPolicy[] } | undefined;

  constructor(sort: 'validating' | 'mutating') {
    const of = (resource: string) => ({ group, version: 'v1', resource: `${sort}${resource}` });
    this.#policies = new Followed(of('admissionpolicies'), (objects) => objects as Policy[]);
    this.#bindings = new Followed(of('admissionpolicybindings'), (objects) => objects as Binding[]);
  }

  of(registry: Registry): readonly BoundPolicy[] | Promise<readonly BoundPolicy[]> {
    const policies = this.#policies.of(registry);
    const bindings = this.#bindings.of(registry);
    if (policies instanceof Promise || bindings instanceof Promise)
      return Promise.all([policies, bindings]).then(([some, others]) => this.#join(some, others));
    return this.#join(policies, bindings);
  }

  #join(policies: readonly Policy[], bindings: readonly Binding[]): readonly BoundPolicy[] {
    if (this.#last?.policies === policies && this.#last.bindings === bindings) return this.#last.bound;
    const bound = policies
      .map((policy) => ({
        policy,
        criteria: criteriaOf(policy.spec.matchConstraints)!,
        bindings: bindings
          .filter(({ spec }) => spec.policyName === policy.metadata.name)
          .map((binding) => ({ binding, criteria: criteriaOf(binding.spec.matchResources) })),
      }))
      .filter((one) => one.bindings.length > 0);
    this.#last = { policies, bindings, bound };
    return bound;
  }
}

type MatchResources = NonNullable<ValidatingAdmissionPolicy['spec']['matchConstraints']>;

/** A binding may leave the rules to the policy. */
function criteriaOf(match: MatchResources | undefined): Criteria | undefined {
  if (match === undefined) return undefined;
  const { resourceRules, excludeResourceRules, matchPolicy, namespaceSelector, objectSelector } = match;
  const all = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*', '*/*'] }];
  return {
    rules: resourceRules?.length ? resourceRules : all,
    excluded: excludeResourceRules,
    matchPolicy,
    namespaceSelector: namespaceSelector as LabelSelector,
    objectSelector: objectSelector as LabelSelector,
  };
}

/**
 * The parameters that a binding names; one that is undefined where the policy takes none.
 * @throws Error that says what is wrong with the policy or its binding.
 */
export async function paramsOf(
  { registry, call }: AdmissionRequest,
  policy: Policy,
  binding: Binding,
): Promise<(AnyObject | undefined)[]> {
  const { paramKind } = policy.spec;
  const { paramRef } = binding.spec;
  if (paramKind === undefined || paramRef === undefined) return [undefined];
  const served = registry.resources.findKind(paramKind.apiVersion!, paramKind.kind!);
  if (served === undefined)
    throw new Error(`paramKind kind \`${paramKind.apiVersion}, Kind=${paramKind.kind}\` not known`);
  const { namespaced } = served.kind;
  if (paramRef.namespace && !namespaced)
    throw new Error('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  const namespace = namespaced ? paramRef.namespace || call.namespace : '';
  if (namespaced && namespace === '')
    throw new Error('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
  const cache = await registry.resources.cache(served);
  const found: AnyObject[] = [];
  if (paramRef.name) {
    const entry = cache.entries.get(keyFor(served, namespace, paramRef.name));
    if (entry !== undefined) found.push(entry.object);
  } else if (paramRef.selector) {
    const selector = labelSelectorAsSelector(paramRef.selector as LabelSelector);
    const start = keyFor(served, namespace, '');
    for (const entry of cache.entries.range(start, `${start}\uffff`))
      if (selector.matches(entry.object.metadata.labels ?? {})) found.push(entry.object);
  } else throw new Error('one of name or selector must be provided');
  if (found.length === 0 && paramRef.parameterNotFoundAction === 'Deny')
    throw new Error('no params found for policy binding with `Deny` parameterNotFoundAction');
  return Promise.all(found.map((object) => objectAs(served, object)));
}

const namespaces = { group: '', version: 'v1', resource: 'namespaces' };

/** Where the request is for something in a namespace; of a namespace itself there is none. */
export async function namespaceObject({ registry, call }: AdmissionRequest): Promise<AnyObject | undefined> {
  if (call.namespace === '' || !call.served.kind.namespaced) return undefined;
  return lookup(registry, namespaces, '', call.namespace);
}
