/** Which groups, versions and resources are served: plain (one document a group version) and aggregated (one for all). */
import { createHash } from 'node:crypto';
import type { Kind } from '../../api/index.ts';
import { apiVersionOf } from '../../machinery/index.ts';
import { compareVersions, type RemoteVersion, type Resources, type ServedResource } from '../resources.ts';

interface Version {
  version: string;
  resources: ServedResource[];
  /** Another server answers for it. */
  remote?: RemoteVersion;
}

function groupsOf(resources: Resources): Map<string, Version[]> {
  const groups = new Map<string, Version[]>();
  for (const served of resources.all()) {
    const { group, version } = served.kind;
    const versions = groups.get(group) ?? [];
    groups.set(group, versions);
    const found = versions.find((one) => one.version === version);
    if (found) found.resources.push(served);
    else versions.push({ version, resources: [served] });
  }
  for (const remote of resources.remote.values()) {
    const versions = (groups.get(remote.group) ?? []).filter(({ version }) => version !== remote.version);
    groups.set(remote.group, [...versions, { version: remote.version, resources: [], remote }]);
  }
  for (const versions of groups.values()) versions.sort((a, b) => compareVersions(b.version, a.version));
  return groups;
}

/** `/api` */
export function coreVersions(address: string): unknown {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
  };
}

/** `/apis` */
export function groupList(resources: Resources): unknown {
  const groups = [...groupsOf(resources)].filter(([group]) => group !== '');
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.map(([group, versions]) => {
      const { kind: _, apiVersion: __, ...rest } = groupOf(group, versions);
      return rest;
    }),
  };
}

/** `/apis/<group>` */
export function group(resources: Resources, name: string): unknown {
  const versions = groupsOf(resources).get(name);
  return versions && groupOf(name, versions);
}

function groupOf(name: string, versions: readonly Version[]) {
  const listed = versions.map(({ version }) => ({ groupVersion: apiVersionOf({ group: name, version }), version }));
  return { kind: 'APIGroup', apiVersion: 'v1', name, versions: listed, preferredVersion: listed[0] };
}

/** `/api/v1`, `/apis/<group>/<version>` */
export function resourceList(resources: Resources, group: string, version: string): unknown {
  const found = groupsOf(resources)
    .get(group)
    ?.find((one) => one.version === version);
  if (found === undefined) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: found.resources.flatMap(({ kind, stored, prefix }) => [
      {
        name: kind.resource,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: kind.verbs,
        ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
        ...(kind.categories.length > 0 && { categories: kind.categories }),
        ...(prefix !== '' && { storageVersionHash: storageHash(stored, prefix) }),
      },
      ...Object.entries(kind.subresources).map(([name, sub]) => ({
        name: `${kind.resource}/${name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...(sub.kind.group !== kind.group || sub.kind.version !== kind.version
          ? { group: sub.kind.group, version: sub.kind.version }
          : {}),
        kind: sub.kind.kind,
        verbs: sub.verbs,
      })),
    ]),
  };
}

/** Tells clients when objects are kept in another version than before: `served` by one group may be stored with those of another. */
function storageHash({ group, version, kind }: Kind, prefix: string): string {
  const own = prefix.startsWith('/registry/core/') ? '' : group;
  return createHash('sha256').update(`${own}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

/** `/api` and `/apis` as one document, when a client accepts `APIGroupDiscoveryList`. */
export function aggregated(resources: Resources, core: boolean): unknown {
  const groups = [...groupsOf(resources)].filter(([group]) => (group === '') === core);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map(({ version, resources: list, remote }) => ({
        version,
        freshness: remote === undefined || remote.available ? 'Current' : 'Stale',
        resources: remote === undefined ? list.map(discovered) : discoveredOf(remote),
      })),
    })),
  };
}

function discovered({ kind }: ServedResource): unknown {
  const subresources = Object.entries(kind.subresources).map(([name, sub]) => ({
    subresource: name,
    responseKind: sub.kind,
    verbs: sub.verbs,
  }));
  return {
    resource: kind.resource,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

/** From the older form of discovery: a subresource there is a resource with a slash in its name. */
function discoveredOf({ group, version, resources }: RemoteVersion): unknown[] {
  const kindOf = (one: RemoteVersion['resources'][number]) => ({
    group: one.group || group,
    version: one.version || version,
    kind: one.kind,
  });
  const main = resources.filter(({ name }) => !String(name).includes('/'));
  return main.map((one) => {
    const below = resources.filter(({ name }) => String(name).startsWith(`${one.name}/`));
    const subresources = below.map((sub) => ({
      subresource: String(sub.name).slice(String(one.name).length + 1),
      responseKind: kindOf(sub),
      verbs: sub.verbs ?? [],
    }));
    return {
      resource: one.name,
      responseKind: kindOf(one),
      scope: one.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: one.singularName ?? '',
      verbs: one.verbs ?? [],
      ...(one.shortNames && { shortNames: one.shortNames }),
      ...(one.categories && { categories: one.categories }),
      ...(subresources.length > 0 && { subresources }),
    };
  });
}
