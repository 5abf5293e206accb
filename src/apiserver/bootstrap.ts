/**
 * What every cluster has from its first moment: namespaces, default roles and bindings, priority classes, the `kubernetes` Service. Written
 * straight to the store; what is there already stays as people left it, and where another server over the same store writes it, too, one of both counts.
 */
import { type AnyObject, formatTime } from '../machinery/index.ts';
import { bootstrapPolicy } from './authz/index.ts';
import { storedBytes } from './cache/index.ts';
import { firstAddress, type Registry } from './registry/index.ts';
import { keyFor } from './resources.ts';

const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export async function bootstrap(registry: Registry, serviceCIDR: string): Promise<void> {
  const objects = [
    ...namespaces.map(namespace),
    ...bootstrapPolicy(),
    priorityClass(
      'system-cluster-critical',
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ),
    priorityClass(
      'system-node-critical',
      2_000_001_000,
      'Used for system critical pods that must not be moved from their current node.',
    ),
    serviceRange(serviceCIDR),
    kubernetesService(firstAddress(serviceCIDR)),
  ];
  const now = formatTime(registry.clock.now());
  const writes: { key: string; value: Uint8Array }[] = [];
  const caches = new Set<string>();
  for (const object of objects) {
    const served = registry.resources.findKind(object.apiVersion!, object.kind!);
    if (served === undefined) throw new Error(`${object.kind} of ${object.apiVersion} is not served`);
    if (!caches.has(served.prefix)) {
      await registry.resources.cache(served);
      caches.add(served.prefix);
    }
    const key = keyFor(served, object.metadata.namespace ?? '', object.metadata.name!);
    const cache = await registry.resources.cache(served);
    if (cache.entries.get(key) !== undefined) continue;
    object.metadata.uid = registry.random.uuid();
    object.metadata.creationTimestamp = now;
    served.kind.default?.(object);
    for (const condition of object.status?.conditions ?? []) condition.lastTransitionTime = now;
    writes.push({ key, value: storedBytes(object) });
  }
  await Promise.all(
    writes.map((write) => registry.store.txn({ compare: [{ key: write.key, modRevision: 0 }], writes: [write] })),
  );
}

function namespace(name: string): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

function priorityClass(name: string, value: number, description: string): AnyObject {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name, generation: 1 },
    value,
    description,
    preemptionPolicy: 'PreemptLowerPriority',
  };
}

function serviceRange(cidr: string): AnyObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes' },
    spec: { cidrs: [cidr] },
    status: {
      conditions: [{ type: 'Ready', status: 'True', reason: '', message: 'Kubernetes default Service CIDR is ready' }],
    },
  };
}

function kubernetesService(address: string): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: address,
      clusterIPs: [address],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
    },
    status: { loadBalancer: {} },
  };
}
