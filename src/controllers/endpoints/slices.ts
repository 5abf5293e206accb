/** What to write so that the EndpointSlices of one owner say what they should, with as few writes as can be. Pure. */
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '../../api/index.ts';
import { equalJson, type OwnerReference } from '../../machinery/index.ts';
import type { Family } from './members.ts';

export const serviceLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const headlessLabel = 'service.kubernetes.io/headless';
export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

/** Endpoints that share an address family and their ports: they go into slices of their own. */
export interface EndpointGroup {
  addressType: Family;
  ports: DiscoveryEndpointPort[];
  endpoints: Endpoint[];
}

/** What all slices of an owner have in common. */
export interface SliceTemplate {
  /** Slices are named after it. */
  name: string;
  namespace: string;
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  owner: OwnerReference;
}

export interface Changes {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
}

type Chunk = { slice?: EndpointSlice; endpoints: Endpoint[] };

/** Slices that say the right thing already stay untouched; a slice that is not needed any more is used again. */
export function sliceChanges(
  template: SliceTemplate,
  groups: readonly EndpointGroup[],
  existing: readonly EndpointSlice[],
  most: number,
): Changes {
  const left = new Set(existing);
  const wanted: { slice?: EndpointSlice; object: EndpointSlice }[] = [];
  for (const { addressType, ports, endpoints } of groups) {
    const same = existing.filter(
      (one) => left.has(one) && one.addressType === addressType && equalJson(one.ports ?? [], ports),
    );
    for (const { slice, endpoints: some } of fill(endpoints, same, most)) {
      if (slice) left.delete(slice);
      wanted.push({ slice, object: sliceFor(template, { addressType, ports, endpoints: some }) });
    }
  }
  const changes: Changes = { create: [], update: [], delete: [] };
  for (const { slice, object } of wanted) {
    const base = slice ?? [...left].find((one) => one.addressType === object.addressType);
    if (base === undefined) changes.create.push(object);
    else if (!says(base, object)) changes.update.push(rewritten(base, object));
    if (base !== undefined) left.delete(base);
  }
  changes.delete.push(...left);
  return changes;
}

/** Endpoints stay in the slice that has them; new ones fill what has room; the rest makes new slices. */
function fill(endpoints: readonly Endpoint[], slices: readonly EndpointSlice[], most: number): Chunk[] {
  const missing = new Map(endpoints.map((one) => [identity(one), one]));
  const chunks: Chunk[] = slices.map((slice) => {
    const kept = (slice.endpoints ?? []).flatMap((one) => {
      const now = missing.get(identity(one));
      missing.delete(identity(one));
      return now ? [now] : [];
    });
    return { slice, endpoints: kept };
  });
  const rest = [...missing.values()];
  for (const chunk of chunks) chunk.endpoints.push(...rest.splice(0, Math.max(0, most - chunk.endpoints.length)));
  while (rest.length > 0) chunks.push({ endpoints: rest.splice(0, most) });
  const used = chunks.filter((chunk) => chunk.endpoints.length > 0);
  // with no endpoint at all there is still one slice, so that nobody waits for one
  return used.length > 0 ? used : [chunks[0] ?? { endpoints: [] }];
}

function identity({ targetRef, addresses }: Endpoint): string {
  return `${targetRef?.uid ?? ''} ${addresses[0]}`;
}

function sliceFor({ name, namespace, labels, annotations, owner }: SliceTemplate, group: EndpointGroup): EndpointSlice {
  const metadata = {
    generateName: `${name}-`,
    namespace,
    labels,
    ...(annotations && { annotations }),
    ownerReferences: [owner],
  };
  return { metadata, ...group };
}

function says(slice: EndpointSlice, { metadata, endpoints, ports }: EndpointSlice): boolean {
  return (
    equalJson(slice.endpoints ?? [], endpoints) &&
    equalJson(slice.ports ?? [], ports) &&
    equalJson(slice.metadata.labels, metadata.labels) &&
    equalJson(withoutTrigger(slice), withoutTrigger({ metadata }))
  );
}

/** When something last changed is no change by itself. */
function withoutTrigger({ metadata }: Pick<EndpointSlice, 'metadata'>): object {
  const { [triggerAnnotation]: _, ...annotations } = metadata.annotations ?? {};
  return annotations;
}

function rewritten(slice: EndpointSlice, { metadata, endpoints, ports }: EndpointSlice): EndpointSlice {
  const { labels, annotations } = metadata;
  return { ...slice, metadata: { ...slice.metadata, labels, annotations }, endpoints, ports };
}
