/** What a pod's resolv.conf says. Pure. */
import type { Pod } from './objects.ts';
import type { ResolvConf } from './dns/upstreams.ts';

export interface ResolvSource {
  /** Where the cluster's names are answered; empty: nowhere that a resolv.conf could name. */
  clusterDNS: string[];
  /** cluster.local */
  clusterDomain: string;
  /** The host's own. */
  host: ResolvConf;
}

/** What a C library reads of it: more servers, and longer lists, are ignored or refused. */
const maxNameservers = 3;
const maxSearches = 32;
const maxSearchLength = 2048;

export function resolvConfFor(pod: Pod, source: ResolvSource): ResolvConf {
  const base = baseOf(pod, source);
  const own = pod.spec?.dnsConfig;
  const options = new Map(base.options.map((option) => [option.split(':')[0] as string, option]));
  for (const { name, value } of own?.options ?? []) {
    if (name) options.set(name, value ? `${name}:${value}` : name);
  }
  return {
    nameservers: [...new Set([...base.nameservers, ...(own?.nameservers ?? [])])].slice(0, maxNameservers),
    searches: bounded([...new Set([...base.searches, ...(own?.searches ?? [])])]),
    options: [...options.values()],
  };
}

function baseOf(pod: Pod, { clusterDNS, clusterDomain, host }: ResolvSource): ResolvConf {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { nameservers: [], searches: [], options: [] };
  const hosts = policy === 'Default' || (policy === 'ClusterFirst' && pod.spec?.hostNetwork === true);
  if (hosts || clusterDNS.length === 0) return host;
  const searches = [`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { nameservers: clusterDNS, searches: [...searches, ...host.searches], options: ['ndots:5'] };
}

function bounded(searches: string[]): string[] {
  const kept: string[] = [];
  for (const search of searches.slice(0, maxSearches)) {
    if ([...kept, search].join(' ').length > maxSearchLength) break;
    kept.push(search);
  }
  return kept;
}

export function resolvConfText({ nameservers, searches, options }: ResolvConf): string {
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
