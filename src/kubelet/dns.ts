/** A pod's resolver, from its DNS policy, when the network does not say otherwise. */
import type { Pod } from './kinds.ts';
import type { SandboxConfig } from './runtime/runtime.ts';

export function podDns(pod: Pod, servers: string[], domain: string): SandboxConfig['dns'] {
  const { dnsPolicy = 'ClusterFirst', hostNetwork, dnsConfig } = pod.spec ?? {};
  const cluster =
    servers.length > 0 && (dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork));
  if (!cluster && !dnsConfig) return dnsPolicy === 'None' ? { servers: [], searches: [], options: [] } : undefined;
  const namespace = pod.metadata.namespace ?? '';
  const base = cluster
    ? { servers, searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain], options: ['ndots:5'] }
    : { servers: [] as string[], searches: [] as string[], options: [] as string[] };
  const options = new Map(base.options.map((option) => [option.split(':')[0] as string, option]));
  for (const { name = '', value } of dnsConfig?.options ?? [])
    options.set(name, value === undefined ? name : `${name}:${value}`);
  return {
    servers: [...new Set([...base.servers, ...(dnsConfig?.nameservers ?? [])])].slice(0, 3),
    searches: [...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])].slice(0, 32),
    options: [...options.values()],
  };
}
