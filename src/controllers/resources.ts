/** Every kind, once: what a controller for all kinds goes through. */
import { kinds, type Verb } from '../api/index.ts';
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
