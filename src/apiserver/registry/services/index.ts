/**
 * The addresses and node ports that Services are given. What is taken is read from the stored Services and IPAddresses when the server starts
 * and kept up to date by their events; a claim covers the time between choosing and storing. An address is the Service's once its IPAddress is
 * stored, and a node port once its key is, which happens in the Service's own transaction: several servers over one store never give the same
 * one twice.
 */
import type { Kind } from '../../../api/index.ts';
import { type AnyObject, cause, StatusError } from '../../../machinery/index.ts';
import type { Compare, Delete, Put } from '../../../store/index.ts';
import type { CacheEvent } from '../../cache/index.ts';
import { formatAddress, parseAddress, parseCIDR } from './cidr.ts';
import { addressOf, ipAddressOf } from './ipaddress.ts';
import { Pool } from './pool.ts';

export interface ServiceRanges {
  /** IPv4 CIDR that cluster IPs are taken from. */
  serviceCIDR: string;
  /** Inclusive. */
  nodePorts: { from: number; to: number };
}

/** What a write of a Service takes and gives back. */
export interface Claim {
  /** Belong to the transaction that stores the Service. */
  readonly compare: readonly Compare[];
  readonly writes: readonly (Put | Delete)[];
  /** Gives back what was reserved; for a write that did not happen. */
  release(): void;
  /**
   * Another server over the same store has just given it to somebody else: it is released, and not given here until that is heard of. `found`:
   * for each of `compare`, whether its key was there.
   */
  lost(found: readonly boolean[]): void;
  /** Claims anew, after it was lost. */
  another(): Claim;
}

export interface ServiceAllocator {
  /** Gives the Service what it lacks and reserves what it names. `object` is absent on its deletion. */
  claim(kind: Kind, object: AnyObject | undefined, old: AnyObject | undefined): Claim;
  /** What has to be written for a stored Service that lacks its IPAddress, or the key of a node port. */
  missing(service: AnyObject, hasKey: (key: string) => boolean): Pick<Claim, 'compare' | 'writes'>[];
}

/** Where IPAddresses are kept. */
export interface AddressPlace {
  key(address: string): string;
  bytes(object: AnyObject): Put['value'];
  has(address: string): boolean;
}

const nothing: Claim = {
  compare: [],
  writes: [],
  release() {},
  lost() {},
  another: () => nothing,
};

/** Below it is a key for each node port that is taken; its value says by whom. */
export const nodePortKeys = '/registry/ranges/servicenodeports/';

type Port = { nodePort?: number; protocol?: string; name?: string };

export class ServiceRegistry implements ServiceAllocator {
  readonly #addresses: Pool;
  readonly #ports: Pool;
  readonly #first: number;
  readonly #size: number;
  readonly #place: AddressPlace;

  constructor(ranges: ServiceRanges, place: AddressPlace) {
    this.#place = place;
    const { first, size } = parseCIDR(ranges.serviceCIDR);
    this.#first = first;
    this.#size = size;
    // as upstream: the first few are for those who choose, so that what is given out rarely collides
    const reserved = Math.min(Math.max(16, Math.floor(size / 16)), 256);
    this.#addresses = new Pool(1, size - 2, reserved);
    const { from, to } = ranges.nodePorts;
    this.#ports = new Pool(from, to, Math.min(Math.max(16, Math.floor((to - from + 1) / 32)), 128));
  }

  /** Keeps in step with the Services that are stored. */
  observe(events: readonly CacheEvent[]): void {
    for (const { deleted, entry, previous } of events) {
      if (previous !== undefined) this.#each(previous.object, (pool, value) => pool.free(value, 'service'));
      if (!deleted) this.load(entry.object);
      for (const port of nodePortsOf(entry.object)) this.#ports.free(port, 'rival');
    }
  }

  load(service: AnyObject): void {
    this.#each(service, (pool, value) => pool.hold(value, 'service'));
  }

  /** Keeps in step with the IPAddresses that are stored. */
  observeAddresses(events: readonly CacheEvent[]): void {
    for (const { deleted, entry } of events) this.#mark(entry.object.metadata.name!, deleted ? 'free' : 'hold');
  }

  loadAddress(address: string): void {
    this.#mark(address, 'hold');
  }

  #mark(address: string, how: 'hold' | 'free'): void {
    const offset = this.#offsetOf(address);
    if (offset !== undefined) this.#addresses[how](offset, 'address');
  }

  claim(kind: Kind, object: AnyObject | undefined, old: AnyObject | undefined): Claim {
    if (kind.group !== '' || kind.kind !== 'Service') return nothing;
    const taken: [Pool, number][] = [];
    const named = object?.spec.clusterIP;
    const chosen = ((object?.spec.ports ?? []) as Port[]).map(({ nodePort }) => nodePort);
    const release = () => {
      for (const [pool, value] of taken.splice(0)) pool.free(value, 'claim');
    };
    const objects: (Pick<Claim, 'compare' | 'writes'> & { mark: (() => void)[] })[] = [];
    const lost = (found: readonly boolean[]) => {
      release();
      objects.flatMap(({ mark }) => mark).forEach((mark, i) => found[i] && mark());
    };
    const another = () => {
      if (named === undefined) delete object!.spec.clusterIP;
      else object!.spec.clusterIP = named;
      ((object!.spec.ports ?? []) as Port[]).forEach((port, i) => {
        if (!chosen[i]) delete port.nodePort;
      });
      return this.claim(kind, object, old);
    };
    try {
      if (object !== undefined) {
        this.#claimAddress(object, old, taken);
        this.#claimPorts(object, old, taken);
      }
    } catch (error) {
      release();
      throw error;
    }
    objects.push(this.#addressObjects(object, old), this.#portKeys(object, old));
    return {
      compare: objects.flatMap(({ compare }) => compare),
      writes: objects.flatMap(({ writes }) => writes),
      release,
      lost,
      another,
    };
  }

  missing(service: AnyObject, hasKey: (key: string) => boolean): Pick<Claim, 'compare' | 'writes'>[] {
    const address = addressOf(service);
    const lacking = nodePortsOf(service).filter((port) => !hasKey(nodePortKeys + port));
    return [
      ...(address === undefined || this.#place.has(address) ? [] : [this.#addressObjects(service, undefined)]),
      ...lacking.map((port) => portKey(service, port)),
    ];
  }

  /** The IPAddress that comes, and the one that goes. `mark` is for a comparison that fails. */
  #addressObjects(object: AnyObject | undefined, old: AnyObject | undefined) {
    const place = this.#place;
    const [after, before] = [addressOf(object), addressOf(old)];
    const compare: Compare[] = [];
    const writes: (Put | Delete)[] = [];
    const mark: (() => void)[] = [];
    if (before !== undefined && before !== after && place.has(before))
      writes.push({ key: place.key(before), delete: true });
    if (after !== undefined && after !== before) {
      const key = place.key(after);
      compare.push({ key, modRevision: 0 });
      writes.push({ key, value: place.bytes(ipAddressOf(object!, after)) });
      mark.push(() => this.loadAddress(after));
    }
    return { compare, writes, mark };
  }

  #portKeys(object: AnyObject | undefined, old: AnyObject | undefined) {
    const [after, before] = [nodePortsOf(object), nodePortsOf(old)];
    const came = after.filter((port) => !before.includes(port));
    const gone = before.filter((port) => !after.includes(port));
    const keys = came.map((port) => portKey(object!, port));
    return {
      compare: keys.flatMap(({ compare }) => compare),
      writes: [
        ...keys.flatMap(({ writes }) => writes),
        ...gone.map((port) => ({ key: nodePortKeys + port, delete: true as const })),
      ],
      mark: came.map((port) => () => this.#ports.hold(port, 'rival')),
    };
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

/** Each once, though several protocols may share it. */
function nodePortsOf(service: AnyObject | undefined): number[] {
  const ports: Port[] = service?.spec?.ports ?? [];
  return [...new Set(ports.flatMap(({ nodePort }) => nodePort || []))];
}

function portKey({ metadata }: AnyObject, port: number): Pick<Claim, 'compare' | 'writes'> {
  const key = nodePortKeys + port;
  const value = Buffer.from(`${metadata.namespace}/${metadata.name}`);
  return { compare: [{ key, modRevision: 0 }], writes: [{ key, value }] };
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
