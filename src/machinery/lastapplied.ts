/**
 * The annotation in which `kubectl apply` without `--server-side` keeps what it applied. When such an object is first applied
 * on the server by `kubectl`, what the annotation says was applied is no conflict.
 */
import { compareFields } from './fieldcompare.ts';
import { differenceFields, emptyFields } from './fieldset.ts';
import { fieldsOf } from './fieldsof.ts';
import { isObject } from './json.ts';
import type { MergePlan } from './mergeplan.ts';
import type { FieldsV1, KubeObject } from './meta.ts';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** Bytes that all annotations of an object may take. */
const maxAnnotations = 256 * 1024;

/** The manager whose applies keep the annotation and heed it. */
export const lastAppliedManager = 'kubectl';

/** Fields that were last applied on the client and still are as they were applied. */
export function fieldsLastApplied(plan: MergePlan, live: KubeObject, apiVersion: string): FieldsV1 {
  const text = live.metadata.annotations?.[annotation];
  const last = text ? parsed(text) : undefined;
  if (last?.apiVersion !== apiVersion) return emptyFields;
  const { changed, removed } = compareFields(plan, last, live as any);
  return differenceFields(differenceFields(fieldsOf(plan, last), changed), removed);
}

function parsed(text: string): Record<string, any> | undefined {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The object with its annotation, if it has one, brought up to date with what was applied now. It is left out when it grows too big. */
export function withLastApplied<T extends KubeObject>(object: T, applied: KubeObject): T {
  if (!object.metadata.annotations?.[annotation]) return object;
  const { [annotation]: _, ...others } = applied.metadata.annotations ?? {};
  const { annotations: _all, ...metadata } = applied.metadata;
  const bare = {
    ...applied,
    metadata: { ...metadata, ...(Object.keys(others).length > 0 && { annotations: others }) },
  };
  const annotations = { ...object.metadata.annotations, [annotation]: asGoWrites(bare) };
  let size = 0;
  for (const [name, value] of Object.entries(annotations)) size += name.length + value.length;
  if (size > maxAnnotations) delete (annotations as Record<string, string>)[annotation];
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Fields in order and angle brackets escaped, so that applying the same again on either side changes nothing. */
function asGoWrites(value: unknown): string {
  const text = JSON.stringify(value, (_, inner) =>
    isObject(inner)
      ? Object.fromEntries(
          Object.keys(inner)
            .toSorted()
            .map((name) => [name, inner[name]]),
        )
      : inner,
  );
  const escaped = text.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}
