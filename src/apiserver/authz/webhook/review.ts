/** A question about what somebody may do, as a SubjectAccessReview (authorization.k8s.io) asks it. */
import { parseFieldSelector, parseSelector, type SelectorOperator } from '../../../machinery/index.ts';
import type { Attributes } from '../attributes.ts';

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

export interface ReviewSpec {
  readonly resourceAttributes?: Readonly<Record<string, unknown>>;
  readonly nonResourceAttributes?: { readonly path: string; readonly verb: string };
  readonly user: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly uid?: string;
}

export function specOf(attributes: Attributes): ReviewSpec {
  const { user, isResource, verb, path } = attributes;
  return {
    ...(isResource ? { resourceAttributes: resourceOf(attributes) } : { nonResourceAttributes: { path, verb } }),
    user: user.name,
    groups: user.groups,
    ...(user.extra && Object.keys(user.extra).length > 0 && { extra: user.extra }),
    ...(user.uid && { uid: user.uid }),
  };
}

function resourceOf({ namespace, verb, group, version, resource, subresource, name, ...selectors }: Attributes) {
  const fields = requirementsOf(selectors.fieldSelector, fieldRequirements);
  const labels = requirementsOf(selectors.labelSelector, labelRequirements);
  return {
    ...(namespace && { namespace }),
    verb,
    ...(group && { group }),
    ...(version && { version }),
    resource,
    ...(subresource && { subresource }),
    ...(name && { name }),
    ...(fields && { fieldSelector: { requirements: fields } }),
    ...(labels && { labelSelector: { requirements: labels } }),
  };
}

/** What cannot be read narrows nothing. */
function requirementsOf(
  text: string | undefined,
  parse: (text: string) => readonly Requirement[],
): readonly Requirement[] | undefined {
  if (!text) return undefined;
  try {
    const found = parse(text);
    return found.length > 0 ? found : undefined;
  } catch {
    return undefined;
  }
}

function fieldRequirements(text: string): Requirement[] {
  return parseFieldSelector(text).requirements.map(({ field, operator, value }) => ({
    key: field,
    operator: operator === '=' ? 'In' : 'NotIn',
    values: [value],
  }));
}

const operators: Partial<Record<SelectorOperator, string>> = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
};

function labelRequirements(text: string): Requirement[] {
  return parseSelector(text).requirements.flatMap(({ key, operator, values }) => {
    const shown = operators[operator];
    return shown === undefined ? [] : [{ key, operator: shown, ...(values.length > 0 && { values: [...values] }) }];
  });
}

/** Selectors of a review's own spec, written as requests have them. What this server cannot say it leaves out: they only narrow. */
export function selectorsOf(given: any): { fieldSelector?: string; labelSelector?: string } {
  const fields = given?.fieldSelector;
  const labels = given?.labelSelector;
  const field = fields?.rawSelector || (fields?.requirements ?? []).flatMap(fieldTerm).join(',');
  const label = labels?.rawSelector || (labels?.requirements ?? []).flatMap(labelTerm).join(',');
  return { ...(field && { fieldSelector: field }), ...(label && { labelSelector: label }) };
}

function fieldTerm({ key, operator, values = [] }: Requirement): string[] {
  const [value] = values;
  if (value === undefined || values.length !== 1) return [];
  const escaped = value.replaceAll(/[\\,=]/g, (one) => `\\${one}`);
  if (operator === 'In') return [`${key}=${escaped}`];
  return operator === 'NotIn' ? [`${key}!=${escaped}`] : [];
}

function labelTerm({ key, operator, values = [] }: Requirement): string[] {
  if (operator === 'In') return [`${key} in (${values.join(',')})`];
  if (operator === 'NotIn') return [`${key} notin (${values.join(',')})`];
  if (operator === 'Exists') return [key];
  return operator === 'DoesNotExist' ? [`!${key}`] : [];
}
