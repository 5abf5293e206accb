/** From the bytes of a request to values. */
import { load as parseYaml } from 'js-yaml';
import { StatusError } from '../machinery/index.ts';
import type { PatchType } from './registry/index.ts';

/** As upstream's limit for a request. */
export const bodyLimit = 3 * 1024 * 1024;
const depthLimit = 1000;

const patchTypes: Record<string, PatchType> = {
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
  const yaml = type === 'application/yaml' || type === 'application/apply-patch+yaml';
  if (!yaml && !isPatch && type !== 'application/json' && type !== '')
    throw StatusError.unsupportedMediaType(
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml',
    );
  const text = decodeText(bytes);
  const value = yaml && !/^\s*[{[]/.test(text) ? fromYaml(text) : fromJson(text);
  if (depthOver(value, depthLimit)) throw StatusError.badRequest(`the body is nested deeper than ${depthLimit} levels`);
  return value;
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

function fromJson(text: string): unknown {
  try {
    const value = JSON.parse(text) as unknown;
    if (text.includes('"__proto__"')) refusePrototype(value);
    return value;
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw StatusError.badRequest(`the body is not valid JSON: ${(error as Error).message}`);
  }
}

function fromYaml(text: string): unknown {
  try {
    const value = parseYaml(text);
    refusePrototype(value);
    return value;
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw StatusError.badRequest(`the body is not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

/** A field of this name means something else to this language; nobody needs it. */
function refusePrototype(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, '__proto__')) throw StatusError.badRequest('a field may not be named "__proto__"');
  for (const inner of Object.values(value)) refusePrototype(inner);
}

function depthOver(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  for (const name in value) if (depthOver((value as Record<string, unknown>)[name], left - 1)) return true;
  return false;
}
