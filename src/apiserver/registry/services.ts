/**
 * The addresses and node ports that Services are given. What is taken is read from the stored Services when the server starts and kept
 * up to date by their events; a claim covers the time between choosing and storing.
 */
import type { Kind } from '../../api/index.ts';
import { type AnyObject, cause, StatusError } from '../../machinery/index.ts';
import type { CacheEvent } from '../cache/index.ts';

export interface ServiceRanges {
  /** IPv4 CIDR that cluster IPs are taken from. */
  serviceCIDR: string;
  /** Inclusive. */
  nodePorts: { from: number; to: number };
}

export interface ServiceAllocator {
  /** Gives the Service what it lacks and reserves what it names; call the result to give back what was reserved here. */
  claim(kind: Kind, object: AnyObject, old: AnyObject | undefined): () => void;
}

type Port = { nodePort?: number; protocol?: string; name?: string };

export class ServiceRegistry implements ServiceAllocator {
  readonly #addresses: Pool;
  readonly #ports: Pool;
  readonly #first: number;
  readonly #size: number;

  constructor(ranges: ServiceRanges) {
    const { first, size } = parseCIDR(ranges.serviceCIDR);
    this.#first = first;
    this.#size = size;
    // as upstream: the first few are for those who choose, so that what is given out rarely collides
    const reserved = Math.min(Math.max(16, Math.floor(size / 16)), 256);
    this.#addresses = new Pool(1, size - 2, reserved);
    const { from, to } = ranges.nodePorts;
    this.#ports = new Pool(from, to, Math.min(Math.max(16, Math.floor((to - from + 1) / 32)), 128));
  }

  /** Keeps in step with what is stored. */
  observe(events: readonly CacheEvent[]): void {
    for (const { deleted, entry, previous } of events) {
      if (previous !== undefined) this.#each(previous.object, (pool, value) => pool.free(value));
      if (!deleted) this.load(entry.object);
    }
  }

  load(service: AnyObject): void {
    this.#each(service, (pool, value) => pool.take(value));
  }

  claim(kind: Kind, object: AnyObject, old: AnyObject | undefined): () => void {
    if (kind.group !== '' || kind.kind !== 'Service') return () => {};
    const taken: [Pool, number][] = [];
    const release = () => {
      for (const [pool, value] of taken) pool.free(value);
    };
    try {
      this.#claimAddress(object, old, taken);
      this.#claimPorts(object, old, taken);
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  #claimAddress(object: AnyObject, old: AnyObject | undefined, taken: [Pool, number][]): void {
    const { spec } = object;
    if (spec.type === 'ExternalName') {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      return;
    }
    if (spec.clusterIP === 'None') return setAddress(spec, 'None');
    const before = old?.spec?.clusterIP;
    if (before && before !== 'None' && (!spec.clusterIP || spec.clusterIP === before)) return setAddress(spec, before);
    if (!spec.clusterIP) {
      const offset = this.#addresses.give();
      if (offset === undefined) throw StatusError.internal('failed to allocate a serviceIP: range is full');
      taken.push([this.#addresses, offset]);
      return setAddress(spec, formatAddress(this.#first + offset));
    }
    const offset = this.#offsetOf(spec.clusterIP);
    if (offset === undefined)
      throw invalidService(
        object,
        'spec.clusterIPs',
        [spec.clusterIP],
        'failed to allocate IP: the provided IP is not in the valid range',
      );
    if (!this.#addresses.take(offset))
      throw invalidService(
        object,
        'spec.clusterIPs',
        [spec.clusterIP],
        'failed to allocate IP: provided IP is already allocated',
      );
    taken.push([this.#addresses, offset]);
    setAddress(spec, spec.clusterIP);
  }

  #claimPorts(object: AnyObject, old: AnyObject | undefined, taken: [Pool, number][]): void {
    const { spec } = object;
    const ports: Port[] = spec.ports ?? [];
    const wants =
      spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
    const had: Port[] = old?.spec?.ports ?? [];
    const kept = new Set(had.map((port) => port.nodePort));
    const here = new Map<string, number>();
    for (const port of ports) {
      if (!wants && spec.type !== 'LoadBalancer') {
        delete port.nodePort;
        continue;
      }
      if (!port.nodePort && wants) {
        const before = had.find((other) => other.name === port.name && other.protocol === port.protocol)?.nodePort;
        port.nodePort = before ?? this.#ports.give();
        if (port.nodePort === undefined) throw StatusError.internal('failed to allocate a nodePort: range is full');
        if (before === undefined) taken.push([this.#ports, port.nodePort]);
      } else if (port.nodePort && !kept.has(port.nodePort) && !here.has(`${port.nodePort}`)) {
        if (!this.#ports.includes(port.nodePort))
          throw invalidService(
            object,
            'spec.ports[].nodePort',
            port.nodePort,
            `provided port is not in the valid range. The range of valid ports is ${this.#ports.from}-${this.#ports.to}`,
          );
        if (!this.#ports.take(port.nodePort))
          throw invalidService(object, 'spec.ports[].nodePort', port.nodePort, 'provided port is already allocated');
        taken.push([this.#ports, port.nodePort]);
      }
      if (port.nodePort) here.set(`${port.nodePort}`, port.nodePort);
    }
  }

  #each(service: AnyObject, call: (pool: Pool, value: number) => void): void {
    const offset = this.#offsetOf(service.spec?.clusterIP ?? '');
    if (offset !== undefined) call(this.#addresses, offset);
    for (const port of (service.spec?.ports ?? []) as Port[]) if (port.nodePort) call(this.#ports, port.nodePort);
  }

  #offsetOf(address: string): number | undefined {
    const value = parseAddress(address);
    if (value === undefined) return undefined;
    const offset = value - this.#first;
    return offset > 0 && offset < this.#size - 1 ? offset : undefined;
  }
}

function setAddress(spec: AnyObject, address: string): void {
  spec.clusterIP = address;
  spec.clusterIPs = [address];
}

function invalidService(object: AnyObject, field: string, value: unknown, detail: string): StatusError {
  return StatusError.invalid({ group: '', kind: 'Service' }, object.metadata.name ?? '', [
    cause.invalid(field, value, detail),
  ]);
}

/** Numbers of a range, given out from a moving place so that what was freed is not soon given again. */
class Pool {
  readonly from: number;
  readonly to: number;
  readonly #taken = new Set<number>();
  readonly #dynamicFrom: number;
  #next: number;

  constructor(from: number, to: number, reserved: number) {
    this.from = from;
    this.to = to;
    this.#dynamicFrom = from + reserved <= to ? from + reserved : from;
    this.#next = this.#dynamicFrom;
  }

  includes(value: number): boolean {
    return value >= this.from && value <= this.to;
  }

  take(value: number): boolean {
    if (this.#taken.has(value)) return false;
    this.#taken.add(value);
    return true;
  }

  free(value: number): void {
    this.#taken.delete(value);
  }

  give(): number | undefined {
    for (let tried = 0; tried <= this.to - this.#dynamicFrom; tried++) {
      const value = this.#next;
      this.#next = value === this.to ? this.#dynamicFrom : value + 1;
      if (this.take(value)) return value;
    }
    for (let value = this.from; value < this.#dynamicFrom; value++) if (this.take(value)) return value;
    return undefined;
  }
}

function parseCIDR(cidr: string): { first: number; size: number } {
  const [address, bits] = cidr.split('/');
  const value = parseAddress(address ?? '');
  const length = Number(bits);
  if (value === undefined || !Number.isInteger(length) || length < 8 || length > 28)
    throw new Error(
      `service range ${JSON.stringify(cidr)}: an IPv4 CIDR between /8 and /28 is expected, such as 10.96.0.0/16`,
    );
  const size = 2 ** (32 - length);
  return { first: value - (value % size), size };
}

function parseAddress(address: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** The first address of the range: the `kubernetes` Service. */
export function firstAddress(cidr: string): string {
  return formatAddress(parseCIDR(cidr).first + 1);
}
