/** Which requests a webhook or a policy is about. */
import { type LabelSelector, labelSelectorAsSelector, type Selector, StatusError } from '../../../machinery/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import { lookup } from '../lookup.ts';
import { nameOf, namespaceOf } from './attributes.ts';
import { equivalentsOf } from './versions.ts';

export interface Rule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly scope?: string;
}

export interface Criteria {
  readonly rules?: readonly Rule[];
  readonly excluded?: readonly Rule[];
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}

const namespaces = { group: '', version: 'v1', resource: 'namespaces' };

/** What decides on the rest is never asked about itself: nobody could undo a mistake. */
const exempt = new Set(
  ['webhookconfigurations', 'admissionpolicies', 'admissionpolicybindings'].flatMap((name) => [
    `admissionregistration.k8s.io/validating${name}`,
    `admissionregistration.k8s.io/mutating${name}`,
  ]),
);

export function isExempt({ call }: AdmissionRequest): boolean {
  return exempt.has(`${call.served.kind.group}/${call.served.kind.resource}`);
}

/**
 * The version of the resource that the hook wants to be asked in; undefined: it does not.
 * @throws what keeps the namespace from being known.
 */
export async function matches(request: AdmissionRequest, criteria: Criteria): Promise<ServedResource | undefined> {
  // the cheapest first: most requests are for other resources
  const served = servedFor(request, criteria);
  if (served === undefined || !matchesObject(request, criteria.objectSelector)) return undefined;
  return (await matchesNamespace(request, criteria.namespaceSelector)) ? served : undefined;
}

function servedFor(request: AdmissionRequest, criteria: Criteria): ServedResource | undefined {
  const { served } = request.call;
  const { rules = [], excluded = [], matchPolicy } = criteria;
  const versions = matchPolicy === 'Exact' ? [served] : [served, ...equivalentsOf(request.registry.resources, served)];
  const any = (list: readonly Rule[]) =>
    versions.find((version) => list.some((rule) => ruleMatches(rule, request, version)));
  return any(excluded) === undefined ? any(rules) : undefined;
}

function ruleMatches(rule: Rule, request: AdmissionRequest, { kind }: ServedResource): boolean {
  const { call, operation } = request;
  return (
    has(rule.operations, operation) &&
    has(rule.apiGroups, kind.group) &&
    has(rule.apiVersions, kind.version) &&
    rule.resources?.some((one) => resourceMatches(one, kind.resource, call.subresource)) === true &&
    scopeMatches(rule.scope, request) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(nameOf(request)))
  );
}

function has(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.some((one) => one === '*' || one === wanted) === true;
}

function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  const slash = pattern.indexOf('/');
  const [wanted, sub] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
  return (wanted === '*' || wanted === resource) && (sub === '*' || sub === subresource);
}

function scopeMatches(scope: string | undefined, { call }: AdmissionRequest): boolean {
  if (scope === undefined || scope === '*') return true;
  return (scope === 'Namespaced') === call.served.kind.namespaced;
}

const compiled = new WeakMap<LabelSelector, Selector>();

function selectorOf(selector: LabelSelector): Selector {
  let found = compiled.get(selector);
  if (found === undefined) {
    found = labelSelectorAsSelector(selector);
    compiled.set(selector, found);
  }
  return found;
}

function matchesObject({ object, old }: AdmissionRequest, selector: LabelSelector | undefined): boolean {
  if (selector === undefined) return true;
  const chosen = selectorOf(selector);
  if (chosen.empty) return true;
  return [object, old].some((one) => one?.metadata !== undefined && chosen.matches(one.metadata.labels ?? {}));
}

async function matchesNamespace(request: AdmissionRequest, selector: LabelSelector | undefined): Promise<boolean> {
  if (selector === undefined) return true;
  const { registry, call, operation, object } = request;
  const isNamespace = call.served.kind.group === '' && call.served.kind.resource === 'namespaces';
  if (!isNamespace && call.namespace === '') return true;
  const chosen = selectorOf(selector);
  if (chosen.empty) return true;
  if (isNamespace && call.subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'))
    return chosen.matches(object!.metadata.labels ?? {});
  const found = await lookup(registry, namespaces, '', namespaceOf(request));
  if (found === undefined) throw StatusError.notFound(namespaces, namespaceOf(request));
  return chosen.matches(found.metadata.labels ?? {});
}
