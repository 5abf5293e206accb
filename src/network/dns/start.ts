/** The cluster's DNS as a whole: the zone that follows the API, the answers, the forwarding, the sockets. */
import type { Informers, Log } from '../../client/index.ts';
import type { Clock, Random } from '../../machinery/index.ts';
import { parseCidr } from '../ipv4.ts';
import { serviceSet } from '../services/serviceset.ts';
import { Authority } from './authority.ts';
import { Forwarder } from './forward.ts';
import { type DnsServer, startDns } from './server.ts';
import type { Upstream } from './upstreams.ts';
import { createZone, recordsOf } from './zone.ts';

export interface ClusterDnsOptions {
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  /** cluster.local */
  domain: string;
  /** The pod and service ranges. */
  ranges: string[];
  upstreams: Upstream[];
  address: string;
  /** Tried in order; 0: any. */
  ports: number[];
}

export interface ClusterDns extends DnsServer {
  /** Resolves once it knows all that the server has. */
  ready(): Promise<void>;
  /** Prometheus text format. */
  metrics(): string;
}

export async function startClusterDns(options: ClusterDnsOptions): Promise<ClusterDns> {
  const { informers, domain } = options;
  const zone = createZone();
  const services = serviceSet(informers, (key) => {
    const service = services.service(key);
    zone.set(key, service ? recordsOf(service, services.slicesOf(key), domain) : []);
  });
  const authority = new Authority({
    zone,
    domain,
    ranges: options.ranges.map((range) => parseCidr(range, 'ranges')),
    address: () => options.address,
  });
  const forwarder = new Forwarder(options);
  const server = await onFirst(options.ports, (port) =>
    startDns({ authority, forwarder, address: options.address, port }),
  );
  return {
    ...server,
    ready: () => services.synced(),
    metrics: () => metricsOf(server, forwarder),
    async stop() {
      services.stop();
      await server.stop();
    },
  };
}

async function onFirst<T>(ports: number[], start: (port: number) => Promise<T>): Promise<T> {
  let failure: unknown = new Error('ports: name at least one');
  for (const port of ports) {
    try {
      return await start(port);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

const codeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

function metricsOf(server: DnsServer, { counts }: Forwarder): string {
  const responses = server.answered.flatMap((count, code) =>
    count > 0 ? [`coredns_dns_responses_total{rcode="${codeNames[code] ?? code}"} ${count}`] : [],
  );
  return [
    '# TYPE coredns_dns_responses_total counter',
    ...responses,
    '# TYPE coredns_forward_requests_total counter',
    `coredns_forward_requests_total ${counts.forwarded}`,
    '# TYPE coredns_cache_hits_total counter',
    `coredns_cache_hits_total ${counts.cached}`,
    '# TYPE glasshouse_dns_forward_failures_total counter',
    `glasshouse_dns_forward_failures_total ${counts.failed}`,
    '',
  ].join('\n');
}
