/** A container's environment, from values, references to other variables, ConfigMaps, Secrets and the pod itself. */
import { isStatusError } from '../machinery/index.ts';
import { type PodFacts, fieldValue, resourceValue } from './downward.ts';
import { expand } from './expand.ts';
import type { ConfigMap, Container, EnvVar, Pod, Secret } from './kinds.ts';

export interface EnvSources {
  configMap(namespace: string, name: string): Promise<ConfigMap>;
  secret(namespace: string, name: string): Promise<Secret>;
  /** Text of a file in one of the pod's volumes, for `fileKeyRef`. */
  volumeFile?(volume: string, path: string): Promise<string>;
}

/** In the order in which they were declared, Services' variables last. Rejects with a message for the user. */
export async function makeEnv(
  pod: Pod,
  container: Container,
  facts: PodFacts,
  serviceEnv: ReadonlyMap<string, string>,
  sources: EnvSources,
): Promise<{ name: string; value: string }[]> {
  const env = await envFrom(pod, container, sources);
  const lookup = (name: string) => env.get(name) ?? serviceEnv.get(name);
  for (const variable of container.env ?? []) {
    const value = variable.value
      ? expand(variable.value, lookup)
      : variable.valueFrom
        ? await valueFrom(pod, container, variable, facts, sources)
        : '';
    if (value !== undefined) env.set(variable.name, value);
  }
  for (const [name, value] of serviceEnv) if (!env.has(name)) env.set(name, value);
  return Array.from(env, ([name, value]) => ({ name, value }));
}

async function envFrom(pod: Pod, container: Container, sources: EnvSources): Promise<Map<string, string>> {
  const env = new Map<string, string>();
  const namespace = pod.metadata.namespace ?? '';
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef
      ? (await optional(configMapRef, () => sources.configMap(namespace, configMapRef.name ?? '')))?.data
      : secretRef
        ? decoded((await optional(secretRef, () => sources.secret(namespace, secretRef.name ?? '')))?.data)
        : undefined;
    for (const name in data) env.set(prefix + name, data[name] as string);
  }
  return env;
}

async function valueFrom(
  pod: Pod,
  container: Container,
  { name: variable, valueFrom: from }: EnvVar,
  facts: PodFacts,
  sources: EnvSources,
): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  if (from?.fieldRef) return fieldValue(pod, from.fieldRef.fieldPath, facts);
  if (from?.resourceFieldRef) return resourceValue(pod, container, from.resourceFieldRef, facts);
  if (from?.configMapKeyRef) {
    const ref = from.configMapKeyRef;
    const found = await optional(ref, () => sources.configMap(namespace, ref.name ?? ''));
    return keyOfData(ref, 'ConfigMap', namespace, found?.data);
  }
  if (from?.secretKeyRef) {
    const ref = from.secretKeyRef;
    const found = await optional(ref, () => sources.secret(namespace, ref.name ?? ''));
    return keyOfData(ref, 'Secret', namespace, decoded(found?.data));
  }
  if (from?.fileKeyRef) return fileKey(from.fileKeyRef, sources);
  throw new Error(`env ${variable}: valueFrom names no source that this node knows`);
}

function keyOfData(
  ref: { name?: string; key: string; optional?: boolean },
  kind: string,
  namespace: string,
  data: Record<string, string> | undefined,
): string | undefined {
  const value = data?.[ref.key];
  if (value === undefined && !ref.optional) {
    throw new Error(`couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`);
  }
  return value;
}

async function fileKey(
  ref: { volumeName: string; path: string; key: string; optional?: boolean },
  sources: EnvSources,
): Promise<string | undefined> {
  const text = await sources.volumeFile?.(ref.volumeName, ref.path).catch((error) => {
    if (ref.optional) return '';
    throw error;
  });
  const line = (text ?? '').split('\n').find((each) => each.startsWith(`${ref.key}=`));
  if (line !== undefined) return line.slice(ref.key.length + 1).replace(/^(['"])(.*)\1$/, '$2');
  if (ref.optional) return undefined;
  throw new Error(`environment variable key "${ref.key}" not found in file "${ref.path}"`);
}

async function optional<T>(ref: { optional?: boolean }, get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (ref.optional && isStatusError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function decoded(data: Record<string, string> | undefined): Record<string, string> | undefined {
  if (!data) return undefined;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]),
  );
}
