import { cause, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { Secret } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, required } from '../../rules.ts';
import { base64Length, keptImmutable, validateKeys } from './configmap.ts';

const maxBytes = 1024 * 1024;

export const secret: Override<Secret> = {
  selectableFields: { type: (object) => object.type ?? '' },
  default(object) {
    object.type ||= 'Opaque';
    if (!object.stringData) return;
    // Write-only: it overrides `data` and is not kept.
    object.data = { ...object.data };
    for (const [key, value] of Object.entries(object.stringData)) object.data[key] = toBase64(value);
    delete object.stringData;
  },
  validate(object, old) {
    const data = object.data ?? {};
    const causes = validateKeys(data, 'data');
    if (Object.values(data).reduce((sum, value) => sum + base64Length(value), 0) > maxBytes)
      causes.push(cause.tooLong('data', maxBytes));
    causes.push(...(byType[object.type ?? '']?.(object, data) ?? []));
    if (!old) return causes;
    causes.push(...immutable('type', object.type, old.type));
    return old.immutable ? [...causes, ...keptImmutable(object, old, ['data'])] : causes;
  },
  columns: [
    nameColumn,
    text('Type', (object: Secret) => object.type ?? ''),
    text('Data', (object: Secret) => String(Object.keys(object.data ?? {}).length)),
    ageColumn,
  ],
};

type Rule = (object: Secret, data: Record<string, string>) => StatusCause[];

const jsonKey =
  (key: string): Rule =>
  (_object, data) => {
    if (data[key] === undefined) return [cause.required(`data[${key}]`)];
    try {
      JSON.parse(fromBase64(data[key]));
      return [];
    } catch {
      return [cause.invalid(`data[${key}]`, '<secret contents redacted>', 'must be valid JSON')];
    }
  };

const byType: Record<string, Rule> = {
  __proto__: null as never,
  'kubernetes.io/service-account-token': ({ metadata }) =>
    required(
      'metadata.annotations[kubernetes.io/service-account.name]',
      metadata.annotations?.['kubernetes.io/service-account.name'],
    ),
  'kubernetes.io/dockercfg': jsonKey('.dockercfg'),
  'kubernetes.io/dockerconfigjson': jsonKey('.dockerconfigjson'),
  'kubernetes.io/basic-auth': (_object, data) =>
    data.username === undefined && data.password === undefined
      ? [cause.required('data[username]'), cause.required('data[password]')]
      : [],
  'kubernetes.io/ssh-auth': (_object, data) => (data['ssh-privatekey'] ? [] : [cause.required('data[ssh-privatekey]')]),
  'kubernetes.io/tls': (_object, data) =>
    ['tls.crt', 'tls.key'].flatMap((key) => (data[key] === undefined ? [cause.required(`data[${key}]`)] : [])),
};

function toBase64(value: string): string {
  return (new TextEncoder().encode(value) as Uint8Array & { toBase64?(): string }).toBase64?.() ?? btoa(binary(value));
}

/** The UTF-8 bytes of the text, one to a character. */
function binary(value: string): string {
  let bytes = '';
  for (const byte of new TextEncoder().encode(value)) bytes += String.fromCharCode(byte);
  return bytes;
}

function fromBase64(value: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(value), (character) => character.charCodeAt(0)));
}
