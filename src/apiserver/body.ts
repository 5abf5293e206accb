/** From the bytes of a request to values. */
import { decodeProtobuf, ProtobufError } from '../api/index.ts';
import { StatusError } from '../machinery/index.ts';
import type { PatchType } from './registry/index.ts';
import { jsonOf, yamlOf } from './text.ts';

/** As upstream's limit for a request. */
export const bodyLimit = 3 * 1024 * 1024;

const patchTypes: Record<string, PatchType> = {
  __proto__: null as never,
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

export function patchTypeOf(contentType: string | undefined): PatchType {
  const type = patchTypes[mediaType(contentType)];
  if (type === undefined)
    throw StatusError.unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchTypes).join(', ')}`,
    );
  return type;
}

/** Reads JSON or YAML as the content type says; `isPatch` bodies were looked at by `patchTypeOf` already. */
export function parseBody(bytes: Buffer, contentType: string | undefined, isPatch = false): unknown {
  if (bytes.length === 0) return undefined;
  const type = mediaType(contentType);
  if (type === 'application/vnd.kubernetes.protobuf' && !isPatch) return fromProtobuf(bytes);
  const yaml = type === 'application/yaml' || type === 'application/apply-patch+yaml';
  if (!yaml && !isPatch && type !== 'application/json' && type !== '')
    throw StatusError.unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  const text = decodeText(bytes);
  return yaml && !/^\s*[{[]/.test(text) ? yamlOf(text) : jsonOf(text);
}

/** What kubectl's typed commands and most Go clients send. */
function fromProtobuf(bytes: Buffer): unknown {
  try {
    return decodeProtobuf(bytes).object;
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    if (error.code === 'unknownKind') throw StatusError.unsupportedMediaType(error.message);
    throw StatusError.badRequest(`the body is not valid protobuf: ${error.message}`);
  }
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]!.trim().toLowerCase();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw StatusError.badRequest('the body is not valid UTF-8');
  }
}
