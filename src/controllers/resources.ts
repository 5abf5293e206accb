/** Every kind, once: what a controller for all kinds goes through. Those built in never change; custom ones come and go. */
import { type CustomResourceDefinition, kinds, type Verb } from '../api/index.ts';
import type { Resource } from '../machinery/index.ts';

/** The resources that can do all of these, each in its most settled version. */
export function resourcesWith(...verbs: readonly Verb[]): Resource[] {
  const best = new Map<string, (typeof kinds)[number]>();
  for (const kind of kinds) {
    if (!verbs.every((verb) => kind.verbs.includes(verb))) continue;
    const name = `${kind.group}/${kind.resource}`;
    const known = best.get(name);
    if (known === undefined || settled(kind.version) > settled(known.version)) best.set(name, kind);
  }
  return [...best.values()];
}

/** v2 before v1 before v1beta2 before v1beta1 before v1alpha1. */
function settled(version: string): number {
  const [, major = '0', stage, minor = '0'] = /^v(\d+)(alpha|beta)?(\d+)?$/.exec(version) ?? [];
  const rank = stage === undefined ? 2 : stage === 'beta' ? 1 : 0;
  return rank * 10_000 + Number(major) * 100 + Number(minor);
}

/** What a definition defines, in a version that is served; undefined as long as it is not established. */
export function resourceOfDefinition({ spec, status }: CustomResourceDefinition): Resource | undefined {
  if (!status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True')) return undefined;
  const served = spec.versions.filter((version) => version.served);
  const version = served.find(({ storage }) => storage) ?? served[0];
  const { plural, kind } = status.acceptedNames ?? spec.names;
  if (version === undefined) return undefined;
  return { group: spec.group, version: version.name, resource: plural, kind, namespaced: spec.scope === 'Namespaced' };
}
