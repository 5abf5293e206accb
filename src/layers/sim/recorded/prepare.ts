/** What of a recorded object can be created again, and what cannot. */
import { kindOfGvk } from '../../../api/index.ts';
import { type AnyObject, cloneJson, type Resource } from '../../../machinery/index.ts';

/** Objects of a record: what `kubectl get -o yaml` prints, one or many documents, lists or not. */
export function objectsOf(documents: readonly unknown[]): AnyObject[] {
  return documents.flatMap((one) => {
    const object = one as AnyObject | null | undefined;
    if (typeof object !== 'object' || object === null) return [];
    return Array.isArray(object.items) && (object.kind ?? '').endsWith('List') ? objectsOf(object.items) : [object];
  });
}

export interface Described {
  object: AnyObject;
  resource: Resource;
  /** Lower ones are created first. */
  rank: number;
}

const ranks: Record<string, number> = {
  Namespace: 0,
  CustomResourceDefinition: 1,
  PriorityClass: 2,
  StorageClass: 2,
  RuntimeClass: 2,
  IngressClass: 2,
  Node: 3,
  ServiceAccount: 3,
  PersistentVolumeClaim: 5,
  PersistentVolume: 6,
  Pod: 8,
};
const standardRank = 4;

const label = ({ metadata }: AnyObject, name: string) => metadata.labels?.[name];

/** Of kinds that somebody makes anew, or that lead out of the simulation: why they are left out. */
function leftOut(object: AnyObject): string | undefined {
  const { kind = '', apiVersion = '', metadata } = object;
  if (metadata.deletionTimestamp) return 'they were being deleted';
  if (kind === 'Event' || kind === 'Lease' || kind === 'ComponentStatus') return 'they are of the moment';
  if (kind === 'Endpoints' || (kind === 'EndpointSlice' && label(object, 'endpointslice.kubernetes.io/managed-by')))
    return 'their controller makes them anew';
  if (kind.endsWith('WebhookConfiguration')) return 'nobody answers them here';
  if (kind === 'APIService') return 'nobody answers them here';
  if (apiVersion.startsWith('metrics.k8s.io/')) return 'they are of the moment';
  if (apiVersion.startsWith('kwok.x-k8s.io/')) return 'they are for --stage';
  return undefined;
}

/** The resource of an object, if it is served: a built-in one, or by a definition among the objects. */
export class Resources {
  readonly #custom = new Map<string, Resource>();

  constructor(objects: readonly AnyObject[]) {
    for (const { kind, spec } of objects)
      if (kind === 'CustomResourceDefinition')
        for (const version of spec?.versions ?? [])
          this.#custom.set(`${spec.group}/${version.name}/${spec.names.kind}`, {
            group: spec.group,
            version: version.name,
            resource: spec.names.plural,
            kind: spec.names.kind,
            namespaced: spec.scope === 'Namespaced',
          });
  }

  of({ apiVersion = '', kind = '' }: AnyObject): Resource | undefined {
    const [version = '', group = ''] = apiVersion.split('/').toReversed();
    return kindOfGvk({ group, version, kind }) ?? this.#custom.get(`${group}/${version}/${kind}`);
  }
}

/** The object as it is to be created, or why not. */
export function describe(object: AnyObject, resources: Resources): Described | string {
  if (typeof object.metadata?.name !== 'string') return 'they have no name';
  const why = leftOut(object);
  if (why !== undefined) return why;
  const resource = resources.of(object);
  if (resource === undefined)
    return `${object.apiVersion} is not served: record them in a version that is, or their CustomResourceDefinition too`;
  return { object, resource, rank: ranks[object.kind!] ?? standardRank };
}

/** Without what the server gives, and what only the recorded cluster could keep true. */
export function creatable(recorded: AnyObject): AnyObject {
  const { status: _, ...object } = cloneJson(recorded);
  const { metadata } = object;
  for (const field of [
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'selfLink',
    'managedFields',
  ] as const)
    delete metadata[field];
  adjust[object.kind!]?.(object);
  return object;
}

const controllerUid = ['controller-uid', 'batch.kubernetes.io/controller-uid'];

const adjust: Record<string, (object: AnyObject) => void> = {
  Service({ spec }) {
    delete spec.healthCheckNodePort;
    if (spec.clusterIP === 'None') return;
    delete spec.clusterIP;
    delete spec.clusterIPs;
  },
  Pod({ spec }) {
    delete spec.ephemeralContainers;
  },
  Job({ spec, metadata }) {
    if (spec.manualSelector) return;
    delete spec.selector;
    for (const labels of [metadata.labels, spec.template.metadata?.labels])
      for (const name of controllerUid) delete labels?.[name];
  },
  PersistentVolume({ spec }) {
    if (spec.claimRef) delete spec.claimRef.resourceVersion;
  },
  CustomResourceDefinition({ spec }) {
    if (spec.conversion?.strategy === 'Webhook') spec.conversion = { strategy: 'None' };
  },
};

/** With every uid of the recorded cluster put in the place of which there is a new one. */
export function withNewUids<T>(value: T, uids: ReadonlyMap<string, string>): T {
  if (typeof value === 'string') return (uids.get(value) ?? value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => withNewUids(one, uids)) as T;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withNewUids(one, uids)])) as T;
}
