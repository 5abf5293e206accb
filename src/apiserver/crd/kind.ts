/** A version of a custom resource definition as a `Kind`: from here on the server treats it like one that is built in. */
import {
  type CustomResourceDefinition,
  type CustomResourceDefinitionNames,
  type CustomResourceDefinitionVersion,
  type Kind,
  schemaOfResource,
  type Subresource,
  validatorOf,
  type Verb,
} from '../../api/index.ts';
import { type AnyObject, cause, type Schema, type StatusCause } from '../../machinery/index.ts';
import { columnsOf } from './columns.ts';
import { evaluateRules } from './evaluate.ts';
import { jsonPathOf } from './jsonpath.ts';
import { type RuleNode, rulesOf } from './rules.ts';

const verbs: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const read: readonly Verb[] = ['get', 'patch', 'update'];

type Names = CustomResourceDefinitionNames;

/** `names` are those that were accepted. */
export function kindOfVersion(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  names: Names,
): Kind {
  const { group, scope } = definition.spec;
  const props = version.schema?.openAPIV3Schema;
  const schema: Schema = schemaOfResource(props ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true });
  const scale = version.subresources?.scale;
  const validator = validatorOf(schema);
  return {
    group,
    version: version.name,
    resource: names.plural,
    kind: names.kind,
    listKind: names.listKind || `${names.kind}List`,
    namespaced: scope === 'Namespaced',
    singular: names.singular || names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs,
    subresources: subresourcesOf(group, version, names.kind),
    schema,
    nameRule: 'subdomain',
    countsGenerations: true,
    selectableFields: selectableFieldsOf(version),
    columns: columnsOf(version.additionalPrinterColumns),
    default: (object: AnyObject) => {
      // also what admission added
      validator.take(object);
      validator.fill(object);
    },
    validate: checksOf(schema, version),
    custom: {
      props,
      revision: `${definition.metadata.uid}/${definition.metadata.generation}/${version.name}`,
      ...(scale && {
        scale: { spec: scale.specReplicasPath, status: scale.statusReplicasPath, selector: scale.labelSelectorPath },
      }),
      ...(version.deprecated && {
        warning: version.deprecationWarning ?? `${group}/${version.name} ${names.kind} is deprecated`,
      }),
    },
  };
}

function subresourcesOf(
  group: string,
  { name, subresources }: CustomResourceDefinitionVersion,
  kind: string,
): Record<string, Subresource> {
  return {
    __proto__: null as never,
    ...(subresources?.status && { status: { kind: { group, version: name, kind }, verbs: read } }),
    ...(subresources?.scale && {
      scale: { kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: read },
    }),
  };
}

function selectableFieldsOf({ selectableFields = [] }: CustomResourceDefinitionVersion) {
  const fields: Record<string, (object: AnyObject) => string> = {};
  for (const { jsonPath } of selectableFields) {
    const path = jsonPathOf(jsonPath);
    fields[jsonPath.replace(/^\./, '')] = (object) => {
      const value = path(object)[0];
      return value === undefined || value === null ? '' : String(value);
    };
  }
  return fields;
}

const most = 2 ** 31 - 1;

/** Kinds of causes that leave an object too wrong for expressions to be asked about it. */
const blocking = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** The schema first, then the rules that are written as expressions. */
function checksOf(schema: Schema, version: CustomResourceDefinitionVersion): Kind['validate'] {
  const checks = schemaChecksOf(schema, version);
  const props = version.schema?.openAPIV3Schema;
  // compiled when first needed
  let rules: RuleNode | undefined | null = null;
  return (object: AnyObject, old: AnyObject | undefined, subresource = '') => {
    const causes = checks(object, old, subresource);
    if (rules === null) rules = props && rulesOf(props);
    if (rules === undefined) return causes;
    if (causes.some(({ reason }) => blocking.has(reason ?? '')))
      return [
        ...causes,
        cause.invalid(
          '<nil>',
          null,
          'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
        ),
      ];
    return [...causes, ...evaluateRules(rules, object, old)];
  };
}

type Checks = (object: AnyObject, old: AnyObject | undefined, subresource: string) => StatusCause[];

function schemaChecksOf(schema: Schema, { subresources }: CustomResourceDefinitionVersion): Checks {
  const validator = validatorOf(schema);
  const status = schema.properties?.status;
  const statusOnly = status && validatorOf(status);
  const scale = subresources?.scale;
  const counts = scale && [countAt(scale.specReplicasPath), countAt(scale.statusReplicasPath)];
  return (object, old, subresource) => {
    if (subresource === 'status')
      return [
        ...(object.status === undefined ? [] : (statusOnly?.check(object.status, 'status', old?.status) ?? [])),
        ...(counts?.[1]!(object) ?? []),
      ];
    return [...validator.check(object, '', old), ...(counts?.flatMap((check) => check(object)) ?? [])];
  };
}

function countAt(path: string): (object: AnyObject) => StatusCause[] {
  const find = jsonPathOf(path);
  return (object) => {
    const value = find(object)[0];
    if (value === undefined) return [];
    if (!Number.isInteger(value)) return [cause.invalid(path, value, 'must be an integer')];
    if ((value as number) < 0) return [cause.invalid(path, value, 'should be a non-negative integer')];
    return (value as number) > most ? [cause.invalid(path, value, `should be less than or equal to ${most}`)] : [];
  };
}
