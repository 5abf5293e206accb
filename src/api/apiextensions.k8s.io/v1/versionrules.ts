/** Rules of one version of a definition, besides its schema's own. */
import { cause, equalJson, isObject, type StatusCause } from '../../../machinery/index.ts';
import type { CustomResourceDefinitionVersion, JSONSchemaProps } from '../../gen/types.ts';

const mostSelectable = 8;

/** What may stand beside `properties` where the status is checked on its own. */
const atRoot = new Set(
  (
    'description type format title maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems ' +
    'uniqueItems multipleOf required items properties externalDocs example x-kubernetes-preserve-unknown-fields x-kubernetes-validations'
  ).split(' '),
);

export function validateRoot(schema: JSONSchemaProps, field: string): StatusCause[] {
  const other = Object.keys(schema).find(
    (name) => !atRoot.has(name) && (schema as Record<string, unknown>)[name] !== undefined,
  );
  if (other === undefined) return [];
  const told = `only ${[...atRoot].join(', ')} fields are allowed at the root of the schema if the status subresource is enabled`;
  return [cause.invalid(field, other, told)];
}

export function validateWarning(
  { deprecated, deprecationWarning }: CustomResourceDefinitionVersion,
  at: string,
): StatusCause[] {
  if (deprecationWarning === undefined) return [];
  const wrong = (detail: string) => [cause.invalid(`${at}.deprecationWarning`, deprecationWarning, detail)];
  if (!deprecated) return wrong('can only be set for deprecated versions');
  if (deprecationWarning === '') return wrong('must not be an empty string');
  if (deprecationWarning.length > 256) return wrong('must be <= 256 characters long');
  const strange = [...deprecationWarning].findIndex((character) => /[\p{C}\p{Zl}\p{Zp}]/u.test(character));
  return strange < 0
    ? []
    : wrong(`must only contain printable UTF-8 characters; non-printable character found at index ${strange}`);
}

export function validateSelectable(
  { selectableFields = [], schema }: CustomResourceDefinitionVersion,
  old: CustomResourceDefinitionVersion | undefined,
  at: string,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of selectableFields.entries()) {
    const field = `${at}.selectableFields[${i}].jsonPath`;
    if (!jsonPath) {
      causes.push(cause.required(field));
      continue;
    }
    const found = schemaAt(schema?.openAPIV3Schema, jsonPath);
    if (typeof found === 'string') {
      causes.push(cause.invalid(field, jsonPath, `is an invalid path: ${found}`));
      continue;
    }
    if (jsonPath.startsWith('.metadata.') || jsonPath === '.metadata')
      causes.push(cause.invalid(field, jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(found.type ?? ''))
      causes.push(
        cause.invalid(
          field,
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      );
    if (seen.has(jsonPath)) causes.push(cause.duplicate(field, jsonPath));
    seen.add(jsonPath);
  }
  if (seen.size > mostSelectable && !equalJson(selectableFields, old?.selectableFields))
    causes.push(cause.tooMany(`${at}.selectableFields`, seen.size, mostSelectable));
  return causes;
}

/** The schema that a path such as `.spec.size` leads to, or why it leads nowhere. */
function schemaAt(schema: JSONSchemaProps | undefined, path: string): JSONSchemaProps | string {
  if (path.includes('[')) return 'array notation is not allowed';
  if (!path.startsWith('.')) return `expected [ or . but got: ${path.split('.')[0]}`;
  let at = schema;
  for (const name of path.slice(1).split('.')) {
    const { properties, additionalProperties }: JSONSchemaProps = at ?? {};
    at = properties ? properties[name] : isObject(additionalProperties) ? additionalProperties : undefined;
    if (at === undefined) return 'does not refer to a valid field';
  }
  return at ?? 'does not refer to a valid field';
}
