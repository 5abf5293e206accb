/** Where a Service is reached, and what answers there: the same for every data plane. Pure. */
import type { EndpointSlice, Protocol, Service, ServicePort } from '../objects.ts';
import { tryParseIPv4 } from '../ipv4.ts';
import { type Here, type Target, targetsOf } from './endpoints.ts';

export interface Frontend {
  /** Undefined: a node port, on every address that the node publishes on. */
  ip: string | undefined;
  port: number;
  protocol: Protocol;
  /** For callers anywhere; empty: nobody. */
  targets: Target[];
  /** For callers in the cluster and on this node, where they differ: traffic policy Local concerns outsiders. */
  insiders: Target[] | undefined;
  /** Answers must come back through this node, so it hides the caller. */
  masquerade: boolean;
  /** Nobody answers: silence (others may, on other nodes) rather than refusal. */
  silent: boolean;
  /** Seconds for which a caller stays with an endpoint; undefined: no affinity. */
  affinity: number | undefined;
  /** Ranges that may call; undefined: all. */
  sources: string[] | undefined;
}

/** Of one Service. Nothing for headless and ExternalName Services: they live in DNS alone. */
export function frontendsOf(service: Service, slices: readonly EndpointSlice[], here: Here): Frontend[] {
  const { spec } = service;
  if (!spec || spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return [];
  if (tryParseIPv4(spec.clusterIP) === undefined) return [];
  return (spec.ports ?? []).flatMap((port) => frontendsOfPort(service, port, slices, here));
}

function frontendsOfPort(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  here: Here,
): Frontend[] {
  const spec = service.spec ?? {};
  const { all, local } = targetsOf(port, slices, here);
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
  const base = {
    port: port.port,
    protocol: port.protocol ?? 'TCP',
    insiders: undefined,
    masquerade: false,
    affinity: spec.sessionAffinity === 'ClientIP' ? timeout : undefined,
    sources: undefined,
  };
  const inward = spec.internalTrafficPolicy === 'Local' ? local : all;
  const silent = (targets: Target[]) => targets.length === 0 && all.length > 0;
  const clusterIP: Frontend = { ...base, ip: spec.clusterIP, targets: inward, silent: silent(inward) };

  const isLocal = spec.externalTrafficPolicy === 'Local';
  const outward = isLocal ? local : all;
  const external = {
    ...base,
    targets: outward,
    insiders: isLocal ? all : undefined,
    masquerade: !isLocal,
    silent: silent(outward),
  };
  const sources =
    spec.type === 'LoadBalancer' && spec.loadBalancerSourceRanges?.length ? spec.loadBalancerSourceRanges : undefined;
  return [
    clusterIP,
    ...(spec.externalIPs ?? []).filter(isIPv4).map((ip): Frontend => ({ ...external, ip })),
    ...ingressIPs(service).map((ip): Frontend => ({ ...external, ip, sources })),
    ...(port.nodePort ? [{ ...external, ip: undefined, port: port.nodePort }] : []),
  ];
}

function ingressIPs(service: Service): string[] {
  if (service.spec?.type !== 'LoadBalancer') return [];
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return ingress.flatMap(({ ip, ipMode }) => (ip !== undefined && ipMode !== 'Proxy' && isIPv4(ip) ? [ip] : []));
}

function isIPv4(text: string): boolean {
  return tryParseIPv4(text) !== undefined;
}
