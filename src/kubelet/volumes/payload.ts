/** Turns ConfigMaps, Secrets, the downward API and tokens into files. */
import { isStatusError } from '../../machinery/index.ts';
import { fieldValue, resourceValue } from '../downward.ts';
import type { ConfigMap, Secret } from '../kinds.ts';
import type { Ownership, ProjectedFile } from './atomic.ts';
import { writeAtomically } from './atomic.ts';
import type { VolumeContext } from './volume.ts';

export type Files = Map<string, ProjectedFile>;

interface Item {
  key: string;
  path: string;
  mode?: number;
}

interface DownwardItem {
  path: string;
  mode?: number;
  fieldRef?: { fieldPath: string };
  resourceFieldRef?: { resource: string; containerName?: string; divisor?: string };
}

/** All keys, or those that `items` names; a key that is missing is an error unless the source is optional. */
export function filesOf(
  what: string,
  data: ReadonlyMap<string, Buffer>,
  items: Item[] | undefined,
  mode: number,
  optional: boolean,
): Files {
  if (!items?.length) return new Map(Array.from(data, ([key, bytes]) => [key, { data: bytes, mode }]));
  const files: Files = new Map();
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes) files.set(item.path, { data: bytes, mode: item.mode ?? mode });
    else if (!optional) throw new Error(`${what} references non-existent config key: ${item.key}`);
  }
  return files;
}

export function configMapData(object: ConfigMap | undefined): Map<string, Buffer> {
  const data = new Map<string, Buffer>();
  for (const key in object?.data) data.set(key, Buffer.from(object.data[key] as string));
  for (const key in object?.binaryData) data.set(key, Buffer.from(object.binaryData[key] as string, 'base64'));
  return data;
}

export function secretData(object: Secret | undefined): Map<string, Buffer> {
  const data = new Map<string, Buffer>();
  for (const key in object?.data) data.set(key, Buffer.from(object.data[key] as string, 'base64'));
  return data;
}

export function downwardFiles(items: DownwardItem[] | undefined, mode: number, context: VolumeContext): Files {
  const files: Files = new Map();
  for (const item of items ?? []) {
    const text = item.fieldRef
      ? fieldValue(context.pod, item.fieldRef.fieldPath, context.facts)
      : item.resourceFieldRef
        ? resourceValue(context.pod, undefined, item.resourceFieldRef, context.facts)
        : '';
    files.set(item.path, { data: Buffer.from(text), mode: item.mode ?? mode });
  }
  return files;
}

/** The object, or undefined when it is absent and may be. */
export async function unlessAbsent<T>(optional: boolean | undefined, get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (optional && isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Writes the files with the group that the pod wants for its volumes. */
export async function project(directory: string, files: Files, context: VolumeContext): Promise<void> {
  const group = context.pod.spec?.securityContext?.fsGroup;
  const owner: Ownership = group === undefined ? {} : { group };
  if (group !== undefined) for (const file of files.values()) file.mode |= 0o440;
  const stamp = new Date(context.context.clock.now())
    .toISOString()
    .replaceAll(/[-:]/g, '_')
    .replace('T', '_')
    .slice(0, 19);
  await writeAtomically(directory, files, `${stamp}.${context.context.random.suffix(9)}`, owner);
}
