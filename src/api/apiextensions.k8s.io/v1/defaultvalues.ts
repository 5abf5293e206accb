/** Whether the defaults of a (structural) schema are what the schema itself would take. */
import { cause, cloneJson, equalJson, isObject, type StatusCause } from '../../../machinery/index.ts';
import type { JSONSchemaProps } from '../../gen/types.ts';
import { validatorOf } from '../../validate.ts';
import { schemaOf } from './schemaof.ts';

export function validateDefaults(props: JSONSchemaProps, field: string, isRoot = true): StatusCause[] {
  const causes = props.default === undefined ? [] : validateDefault(props, `${field}.default`);
  const { items } = props;
  if (items && !Array.isArray(items)) causes.push(...validateDefaults(items, `${field}.items`, false));
  // of metadata only what it becomes part of could tell
  for (const [name, inner] of Object.entries(props.properties ?? {}))
    if (!(isRoot && name === 'metadata'))
      causes.push(...validateDefaults(inner, `${field}.properties[${name}]`, false));
  return causes;
}

function validateDefault(props: JSONSchemaProps, at: string): StatusCause[] {
  const validator = validatorOf(schemaOf(props));
  const taken = cloneJson(props.default);
  const problem = isObject(taken) || Array.isArray(taken) ? validator.take(taken) : undefined;
  if (problem !== undefined) return [cause.invalid(at, props.default, problem)];
  if (!equalJson(taken, props.default)) return [cause.invalid(at, props.default, 'must not have unknown fields')];
  return validator.check(props.default, at);
}
