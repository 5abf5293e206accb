/**
 * Services without privileges: this process listens on each Service's address, which is a loopback address of its own, and
 * carries the bytes. A Service without endpoints is not listened for, so it is refused at once, as in the kernel. Only loopback
 * addresses, and what `nodePortAddresses` names, are listened on: external addresses are left to those who have them.
 */
import type { Informers, Log } from '../../client/index.ts';
import type { Clock, Timer } from '../../machinery/index.ts';
import { type Cidr, contains, parseCidr, parseIPv4 } from '../ipv4.ts';
import type { Here } from './endpoints.ts';
import type { DataPlane } from './dataplane.ts';
import { type Frontend, frontendsOf } from './frontends.ts';
import type { Listener } from './proxy.ts';
import { serviceSet, type ServiceSet } from './serviceset.ts';
import { listenTcp } from './tcp.ts';
import { listenUdp } from './udp.ts';

export interface UserspaceOptions {
  informers: Informers;
  nodeName: Here;
  clock: Clock;
  log: Log;
  /** Single addresses on which node ports listen. */
  nodePortAddresses: string[];
  /** Addresses that answer for themselves already, such as the cluster's DNS: their Services are not listened for. */
  taken?: string[];
}

export interface UserspacePlane extends DataPlane {
  /** Where a Service's port really listens; undefined when it does not. */
  portOf(ip: string, port: number, protocol?: 'TCP' | 'UDP'): number | undefined;
}

interface Place {
  ip: string;
  port: number;
  protocol: 'TCP' | 'UDP';
  frontend: Frontend;
}

const loopback: Cidr = parseCidr('127.0.0.0/8', 'loopback');
/** Added to a port that an ordinary user may not have. */
const unprivileged = 20_000;
/** Milliseconds until a place that somebody else has is tried again. */
const again = 3_000;

export function userspaceServices(options: UserspaceOptions): UserspacePlane {
  return new UserspaceServices(options);
}

class UserspaceServices implements UserspacePlane {
  readonly #options: UserspaceOptions;
  readonly #services: ServiceSet;
  readonly #wanted = new Map<string, Place[]>();
  readonly #listeners = new Map<string, Listener>();
  readonly #failing = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  /** Listeners of Services that are gone, whose callers may still be there. */
  readonly #leaving = new Set<Listener>();
  #working: Promise<void> = Promise.resolve();
  #scheduled = false;
  #stopped = false;
  #retry: Timer | undefined;

  constructor(options: UserspaceOptions) {
    this.#options = options;
    this.#services = serviceSet(options.informers, (key) => {
      this.#dirty.add(key);
      this.#schedule();
    });
    void this.#services.synced().then(async () => {
      this.#schedule();
      await this.#working;
      this.#ready.resolve();
    });
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  portOf(ip: string, port: number, protocol: 'TCP' | 'UDP' = 'TCP'): number | undefined {
    return this.#listeners.get(`${protocol} ${ip}:${port}`)?.port;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#services.stop();
    this.#retry?.cancel();
    await this.#working;
    const all = [...this.#listeners.values(), ...this.#leaving];
    this.#listeners.clear();
    await Promise.all(all.map((listener) => listener.close(true)));
  }

  teardown(): Promise<void> {
    return this.stop();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#working = this.#working.then(async () => {
      this.#scheduled = false;
      const keys = [...this.#dirty];
      this.#dirty.clear();
      for (const key of keys) this.#want(key);
      await this.#settle();
    });
  }

  #want(key: string): void {
    const service = this.#services.service(key);
    const frontends = service ? frontendsOf(service, this.#services.slicesOf(key), this.#options.nodeName) : [];
    const places = frontends.flatMap((frontend) => this.#placesOf(frontend));
    if (places.length > 0) this.#wanted.set(key, places);
    else this.#wanted.delete(key);
  }

  #placesOf(frontend: Frontend): Place[] {
    const { ip, port, protocol } = frontend;
    if (frontend.targets.length === 0 || protocol === 'SCTP') return [];
    if (ip !== undefined && this.#options.taken?.includes(ip)) return [];
    const ips = ip === undefined ? this.#options.nodePortAddresses : contains(loopback, parseIPv4(ip)) ? [ip] : [];
    return ips.map((each) => ({ ip: each, port, protocol, frontend }));
  }

  /** Brings the listeners to what is wanted. */
  async #settle(): Promise<void> {
    const wanted = new Map<string, Place>();
    for (const places of this.#wanted.values()) {
      for (const place of places) {
        const id = `${place.protocol} ${place.ip}:${place.port}`;
        if (!wanted.has(id)) wanted.set(id, place);
      }
    }
    for (const [id, listener] of this.#listeners) {
      if (wanted.has(id)) continue;
      this.#listeners.delete(id);
      this.#leaving.add(listener);
      await listener.close(false);
    }
    await Promise.all([...wanted].map(([id, place]) => this.#place(id, place)));
  }

  async #place(id: string, place: Place): Promise<void> {
    const { targets, affinity } = place.frontend;
    const known = this.#listeners.get(id);
    if (known !== undefined) return known.update({ targets, affinity });
    try {
      this.#listeners.set(id, await this.#listen(place));
      this.#failing.delete(id);
    } catch (error) {
      this.#failed(id, error as NodeJS.ErrnoException);
    }
  }

  async #listen({ ip, port, protocol, frontend }: Place): Promise<Listener> {
    const listen = protocol === 'TCP' ? listenTcp : listenUdp;
    const { clock, log } = this.#options;
    const backends = { targets: frontend.targets, affinity: frontend.affinity };
    try {
      return await listen(clock, ip, port, backends);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES' || port >= 1024) throw error;
      const listener = await listen(clock, ip, port + unprivileged, backends);
      log.warn(
        { ip, port, instead: listener.port },
        'this user may not listen on ports below 1024, so the Service listens on another (sysctl net.ipv4.ip_unprivileged_port_start=0 allows it)',
      );
      return listener;
    }
  }

  #failed(id: string, error: NodeJS.ErrnoException): void {
    const said = this.#failing.has(id);
    this.#failing.add(id);
    if (!said) this.#options.log.error({ place: id, err: error }, adviceFor(error));
    this.#retry?.cancel();
    this.#retry = this.#options.clock.after(again, () => this.#schedule());
  }
}

function adviceFor({ code }: NodeJS.ErrnoException): string {
  if (code === 'EADDRNOTAVAIL') {
    return 'this system has no such loopback address (macOS has 127.0.0.1 alone); add it with "sudo ifconfig lo0 alias ADDRESS", or use the node port';
  }
  if (code === 'EADDRINUSE') return 'somebody else listens there; the Service is tried again until it is free';
  return 'the Service cannot listen there; it is tried again';
}
