/**
 * The cluster's names, as "Kubernetes DNS-Based Service Discovery" 1.1.0 has them. The records of one Service are a pure
 * function; the zone holds them Service by Service.
 */
import { formatIPv4, tryParseIPv4 } from '../ipv4.ts';
import type { EndpointSlice, Service, ServicePort } from '../objects.ts';
import type { Rdata, ResourceRecord } from './codec.ts';

/** Seconds for which an answer may be kept. */
export const ttl = 5;

/** `address`: reverse names have no zone in front. */
export function reverseName(address: string): string {
  return `${address.split('.').toReversed().join('.')}.in-addr.arpa`;
}

/** Undefined when it is not the reverse name of one whole IPv4 address. */
export function addressOfReverse(name: string): string | undefined {
  if (!name.endsWith('.in-addr.arpa')) return undefined;
  const address = tryParseIPv4(name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.'));
  return address === undefined ? undefined : formatIPv4(address);
}

export function recordsOf(service: Service, slices: readonly EndpointSlice[], zone: string): ResourceRecord[] {
  const { spec, metadata } = service;
  const name = `${metadata.name}.${metadata.namespace}.svc.${zone}`;
  if (!spec) return [];
  if (spec.type === 'ExternalName') {
    const target = spec.externalName?.toLowerCase().replace(/\.$/, '');
    return target ? [{ name, ttl, data: { type: 'CNAME', name: target } }] : [];
  }
  return spec.clusterIP === 'None'
    ? headlessRecords(name, slices)
    : clusterIPRecords(name, spec.clusterIP, spec.ports ?? []);
}

function clusterIPRecords(name: string, clusterIP: string | undefined, ports: ServicePort[]): ResourceRecord[] {
  if (!clusterIP || tryParseIPv4(clusterIP) === undefined) return [];
  return [
    record(name, { type: 'A', address: clusterIP }),
    record(reverseName(clusterIP), { type: 'PTR', name }),
    ...ports.flatMap((port) => srvRecords(name, port.name, port.protocol, port.port, name, ports.length)),
  ];
}

interface Member {
  ip: string;
  name: string;
}

function headlessRecords(name: string, slices: readonly EndpointSlice[]): ResourceRecord[] {
  const records: ResourceRecord[] = [];
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const members = membersOf(name, slice);
    for (const { ip, name: member } of members) {
      records.push(record(name, { type: 'A', address: ip }), record(member, { type: 'A', address: ip }));
      records.push(record(reverseName(ip), { type: 'PTR', name: member }));
      for (const port of slice.ports ?? []) {
        records.push(
          ...srvRecords(name, port.name ?? undefined, port.protocol ?? 'TCP', port.port ?? 0, member, members.length),
        );
      }
    }
  }
  return records;
}

/** Those that are ready (a Service that publishes addresses before they are has its slices say so). */
function membersOf(service: string, slice: EndpointSlice): Member[] {
  return (slice.endpoints ?? []).flatMap((endpoint) => {
    const ip = endpoint.addresses[0];
    if (ip === undefined || endpoint.conditions?.ready === false) return [];
    const hostname = endpoint.hostname?.toLowerCase() || ip.replaceAll('.', '-');
    return [{ ip, name: `${hostname}.${service}` }];
  });
}

/** By port name and protocol; and, as clients have come to use, under the bare name of the Service. */
function srvRecords(
  service: string,
  portName: string | undefined,
  protocol: string | undefined,
  port: number,
  target: string,
  among: number,
): ResourceRecord[] {
  if (port === 0) return [];
  const data: Rdata = {
    type: 'SRV',
    priority: 0,
    weight: Math.max(1, Math.floor(100 / Math.max(1, among))),
    port,
    name: target,
  };
  const named = portName ? [record(`_${portName}._${(protocol ?? 'TCP').toLowerCase()}.${service}`, data)] : [];
  return [...named, record(service, data)];
}

function record(name: string, data: Rdata): ResourceRecord {
  return { name, ttl, data };
}

export interface Zone {
  /** Replaces what the owner has in the zone. */
  set(owner: string, records: ResourceRecord[]): void;
  /** Undefined: there is no such name. Empty: the name exists (or names below it do), without records. */
  get(name: string): readonly ResourceRecord[] | undefined;
  /** Grows with each change. */
  readonly serial: number;
}

interface Node {
  records: ResourceRecord[];
  /** Names directly or further below it that have records. */
  below: number;
}

export function createZone(): Zone {
  return new NameTree();
}

class NameTree implements Zone {
  readonly #nodes = new Map<string, Node>();
  readonly #owned = new Map<string, ResourceRecord[]>();
  serial = 1;

  set(owner: string, records: ResourceRecord[]): void {
    const unique = new Map(records.map((each) => [JSON.stringify([each.name, each.data]), each]));
    const next = [...unique.values()];
    for (const old of this.#owned.get(owner) ?? []) this.#remove(old);
    for (const each of next) this.#add(each);
    if (next.length === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, next);
    this.serial++;
  }

  get(name: string): readonly ResourceRecord[] | undefined {
    return this.#nodes.get(name)?.records;
  }

  #add(each: ResourceRecord): void {
    this.#node(each.name).records.push(each);
    for (const parent of parentsOf(each.name)) this.#node(parent).below++;
  }

  #remove(each: ResourceRecord): void {
    const node = this.#node(each.name);
    node.records = node.records.filter((other) => other !== each);
    this.#prune(each.name, node);
    for (const parent of parentsOf(each.name)) {
      const above = this.#node(parent);
      above.below--;
      this.#prune(parent, above);
    }
  }

  #prune(name: string, node: Node): void {
    if (node.records.length === 0 && node.below === 0) this.#nodes.delete(name);
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name) ?? { records: [], below: 0 };
    this.#nodes.set(name, node);
    return node;
  }
}

function* parentsOf(name: string): Iterable<string> {
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) yield name.slice(dot + 1);
}
