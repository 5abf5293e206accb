/**
 * Which API servers there are. Each has a Lease in kube-system that it renews; the endpoints of the `kubernetes` Service are the addresses of those
 * that do. One that stops renewing is taken out by the others, as seen by their own clocks: machines need not agree on the time.
 */
import { createHash } from 'node:crypto';
import { type AnyObject, equalJson, formatMicroTime, formatTime, type Timer } from '../machinery/index.ts';
import type { Compare, Delete, Put } from '../store/index.ts';
import { storedBytes } from './cache/index.ts';
import type { Registry } from './registry/index.ts';
import { keyFor } from './resources.ts';

export interface Presence {
  /** It can be reached there from now on. Resolves once the Service leads there. */
  appear(address: string, port: number): Promise<void>;
  /** It leaves, unless it is the last. */
  close(): Promise<void>;
}

const renewEvery = 10_000;
/** Milliseconds without a renewal after which a server is taken to be gone. */
const goneAfter = 30_000;
const forgottenAfter = 3600_000;
/** Servers may write at once: who comes second looks again. */
const attempts = 10;

const namespace = 'kube-system';
const label = 'apiserver.kubernetes.io/identity';
const addressAnnotation = 'glasshouse.dev/address';
const service = { name: 'kubernetes', namespace: 'default' };

interface Place {
  readonly address: string;
  readonly port: number;
}

export function startPresence(registry: Registry, host: string, failed: (error: unknown) => void): Presence {
  const { clock, random } = registry;
  const here: { lease: string; place: Place; holder: string }[] = [];
  const renewals = new Map<string, { renewTime: string; at: number }>();
  let timer: Timer | undefined;
  let round: Promise<void> = Promise.resolve();

  const renew = ({ lease, place, holder }: (typeof here)[number]) =>
    overwrite(registry, 'coordination.k8s.io/v1', 'Lease', namespace, lease, (old) => ({
      metadata: {
        labels: { [label]: 'kube-apiserver', 'kubernetes.io/hostname': host },
        annotations: { [addressAnnotation]: `${place.address}:${place.port}` },
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: forgottenAfter / 1000,
        acquireTime: old?.spec?.holderIdentity === holder ? old.spec.acquireTime : formatMicroTime(clock.now()),
        renewTime: formatMicroTime(clock.now()),
      },
    }));

  const reconcile = async () => {
    const places: Place[] = [];
    for (const { metadata, spec } of await identities(registry)) {
      const { name = '' } = metadata;
      const known = renewals.get(name);
      const renewTime = String(spec?.renewTime);
      // at first sight there is nothing but the time that it wrote itself
      const since = Math.max(0, clock.now() - Date.parse(renewTime)) || 0;
      const at = known?.renewTime === renewTime ? known.at : clock.monotonic() - (known === undefined ? since : 0);
      renewals.set(name, { renewTime, at });
      const silent = clock.monotonic() - at;
      const place = placeIn(metadata.annotations?.[addressAnnotation]);
      if (place !== undefined && silent < goneAfter) places.push(place);
      if (silent > forgottenAfter) await discard(registry, 'coordination.k8s.io/v1', 'Lease', namespace, name);
    }
    if (places.length > 0) await publish(registry, places);
  };

  /** One at a time, in order. */
  const next = (work: () => Promise<void>) => {
    const done = round.then(work);
    round = done.catch(() => {});
    return done;
  };

  return {
    async appear(address, port) {
      const place = { address, port };
      const id = createHash('sha256').update(`${host}/${address}:${port}`).digest('hex').slice(0, 26);
      const lease = `apiserver-${id}`;
      here.push({ lease, place, holder: `${lease}_${random.uuid()}` });
      const work = async () => {
        for (const one of here) await renew(one);
        await reconcile();
      };
      timer ??= clock.every(renewEvery, () => void next(work).catch(failed));
      await next(work);
    },
    async close() {
      timer?.cancel();
      const mine = here.splice(0);
      if (mine.length === 0) return;
      await next(async () => {
        const own = new Set(mine.map(({ lease }) => lease));
        if ((await identities(registry)).every(({ metadata }) => own.has(metadata.name!))) return;
        for (const lease of own) await discard(registry, 'coordination.k8s.io/v1', 'Lease', namespace, lease);
        await reconcile();
      }).catch(failed);
    },
  };
}

async function identities({ resources }: Registry): Promise<AnyObject[]> {
  const cache = await resources.cache(resources.findKind('coordination.k8s.io/v1', 'Lease')!);
  const found: AnyObject[] = [];
  for (const { object } of cache.entries.values())
    if (object.metadata.namespace === namespace && object.metadata.labels?.[label] !== undefined) found.push(object);
  return found;
}

function placeIn(text: string | undefined): Place | undefined {
  const [, address, port] = /^(.+):(\d+)$/.exec(text ?? '') ?? [];
  return address === undefined ? undefined : { address, port: Number(port) };
}

/** An EndpointSlice has one list of ports: servers on another port have a slice of their own. */
async function publish(registry: Registry, places: readonly Place[]): Promise<void> {
  const byPort = new Map<number, string[]>();
  for (const { address, port } of places.toSorted((a, b) => a.port - b.port))
    byPort.set(port, [...new Set([...(byPort.get(port) ?? []), address])].toSorted());
  const slices = new Map<string, AnyObject>();
  for (const [port, addresses] of byPort)
    slices.set(slices.size === 0 ? service.name : `${service.name}-${port}`, {
      metadata: { labels: { 'kubernetes.io/service-name': service.name } },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      ports: [portOf(port)],
    });
  for (const [name, slice] of slices)
    await overwrite(registry, 'discovery.k8s.io/v1', 'EndpointSlice', service.namespace, name, () => slice);
  const served = registry.resources.findKind('discovery.k8s.io/v1', 'EndpointSlice')!;
  const cache = await registry.resources.cache(served);
  for (const { object } of cache.entries.values()) {
    const { name = '', namespace: of } = object.metadata;
    if (of === service.namespace && /^kubernetes-\d+$/.test(name) && !slices.has(name))
      await discard(registry, 'discovery.k8s.io/v1', 'EndpointSlice', of, name);
  }
  await overwrite(registry, 'v1', 'Endpoints', service.namespace, service.name, () => ({
    metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: Array.from(byPort, ([port, addresses]) => ({
      addresses: addresses.map((ip) => ({ ip })),
      ports: [portOf(port)],
    })),
  }));
}

function portOf(port: number) {
  return { name: 'https', port, protocol: 'TCP' };
}

/** Writes what `make` makes of the object that is there, if that is any different. */
async function overwrite(
  registry: Registry,
  apiVersion: string,
  kind: string,
  inNamespace: string,
  name: string,
  make: (old: AnyObject | undefined) => Omit<AnyObject, 'metadata'> & { metadata: object },
): Promise<void> {
  await change(registry, apiVersion, kind, inNamespace, name, (key, old) => {
    const { metadata, ...rest } = make(old);
    const uid = old?.metadata.uid ?? registry.random.uuid();
    const creationTimestamp = old?.metadata.creationTimestamp ?? formatTime(registry.clock.now());
    const own = { name, namespace: inNamespace, uid, creationTimestamp, ...metadata };
    const object: AnyObject = { apiVersion, kind, ...rest, metadata: own };
    if (old !== undefined && equalJson(old, object)) return undefined;
    return { key, value: storedBytes(object) };
  });
}

async function discard(registry: Registry, apiVersion: string, kind: string, of: string, name: string): Promise<void> {
  await change(registry, apiVersion, kind, of, name, (key, old) => old && { key, delete: true });
}

async function change(
  { resources, store }: Registry,
  apiVersion: string,
  kind: string,
  of: string,
  name: string,
  make: (key: string, old: AnyObject | undefined) => Put | Delete | undefined,
): Promise<void> {
  const key = keyFor(resources.findKind(apiVersion, kind)!, of, name);
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const old = await store.get(key);
    const write = make(key, old && JSON.parse(Buffer.from(old.value).toString()));
    if (write === undefined) return;
    const compare: Compare[] = [{ key, modRevision: old?.modRevision ?? 0 }];
    if ((await store.txn({ compare, writes: [write] })).ok) return;
  }
}
