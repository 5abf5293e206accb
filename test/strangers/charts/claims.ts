/** What charts have in common: names that are the whole cluster's. Two charts that bring the same take turns. */
import { loadAll } from 'js-yaml';

interface Rendered {
  kind?: string;
  metadata?: { name?: string; namespace?: string; annotations?: Record<string, string> | null };
}

function documentsOf(manifest: string): Rendered[] {
  return (loadAll(manifest) as (Rendered | null)[]).filter((one) => one !== null && typeof one === 'object');
}

/** Kind and name of what a chart brings for the whole cluster, or puts into namespaces of others. */
export function sharedNames(manifest: string, own: string, clusterKinds: ReadonlySet<string>): string[] {
  return documentsOf(manifest).flatMap(({ kind = '', metadata: { name = '', namespace = own } = {} }) => {
    if (clusterKinds.has(kind)) return [`${kind}/${name}`];
    return namespace === own ? [] : [`${kind}/${namespace}/${name}`];
  });
}

/** As kubectl takes them. */
export function customResourceDefinitionsOf(manifest: string): string[] {
  return documentsOf(manifest)
    .filter(({ kind }) => kind === 'CustomResourceDefinition')
    .map(({ metadata }) => `customresourcedefinition/${metadata?.name}`);
}

/** What runs beside the release: helm leaves it, unless the chart says when it is to go. */
export function hookNamesOf(manifest: string): string[] {
  return documentsOf(manifest)
    .filter(({ metadata }) => metadata?.annotations?.['helm.sh/hook'] !== undefined)
    .map(({ metadata }) => metadata?.name ?? '');
}

/** `name` as kubectl prints it; a Job's pods are told by the beginning of their names. */
export function isOfHook(name: string, hooks: readonly string[]): boolean {
  const [kind, own = ''] = name.split('/');
  return hooks.some((hook) => own === hook || (kind === 'pod' && own.startsWith(`${hook}-`)));
}

/** Waits until nobody else has any of the names, and has them until it is disposed of. */
export type Turns = (names: readonly string[]) => Promise<Disposable>;

export function turns(): Turns {
  const held = new Map<string, Promise<void>>();
  return async (names) => {
    for (;;) {
      const other = names.map((name) => held.get(name)).find((one) => one !== undefined);
      if (other === undefined) break;
      await other;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const name of names) held.set(name, promise);
    return {
      [Symbol.dispose]() {
        for (const name of names) held.delete(name);
        resolve();
      },
    };
  };
}
