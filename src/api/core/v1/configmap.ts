import { cause, equalJson, type StatusCause, utf8Length } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { ConfigMap } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

const maxBytes = 1024 * 1024;
const keyPattern = /^[-._a-zA-Z0-9]+$/;
const count = (object: { data?: object; binaryData?: object }) =>
  Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length;

export const configMap: Override<ConfigMap> = {
  validate(object, old) {
    const { data = {}, binaryData = {} } = object;
    const causes = [...validateKeys(data, 'data'), ...validateKeys(binaryData, 'binaryData')];
    for (const key of Object.keys(data))
      if (Object.hasOwn(binaryData, key))
        causes.push(cause.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    const texts = Object.values(data).reduce((sum, value) => sum + utf8Length(value), 0);
    const bytes = Object.values(binaryData).reduce((sum, value) => sum + base64Length(value), texts);
    if (bytes > maxBytes) causes.push(cause.tooLong('[]', maxBytes));
    return old?.immutable ? [...causes, ...keptImmutable(object, old, ['data', 'binaryData'])] : causes;
  },
  columns: [nameColumn, text('Data', (object: ConfigMap) => String(count(object))), ageColumn],
};

export const base64Length = (value: string): number =>
  (value.length / 4) * 3 - (value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0);

/** Keys become file names. */
export function validateKeys(data: Record<string, unknown>, field: string): StatusCause[] {
  const told =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  return Object.keys(data).flatMap((key) => {
    const problems: string[] = [];
    if (key.length > 253) problems.push('must be no more than 253 characters');
    if (!keyPattern.test(key)) problems.push(told);
    if (key === '.' || key === '..') problems.push(`must not be '${key}'`);
    else if (key.startsWith('..')) problems.push("must not start with '..'");
    return problems.map((problem) => cause.invalid(`${field}[${key}]`, key, problem));
  });
}

/** What `immutable: true` froze. */
export function keptImmutable<T extends { immutable?: boolean }>(
  object: T,
  old: T,
  fields: (keyof T & string)[],
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (!object.immutable) causes.push(cause.forbidden('immutable', 'field is immutable when `immutable` is set'));
  for (const field of fields)
    if (!equalJson(object[field], old[field]))
      causes.push(cause.forbidden(field, 'field is immutable when `immutable` is set'));
  return causes;
}
