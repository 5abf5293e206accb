/** Pod addresses without privileges: each pod has a loopback address of its own, and shares the host's namespace. */
import { join } from 'node:path';
import { fileAddresses } from '../addresses.ts';
import { contains, covers, parseCidr, parseIPv4 } from '../ipv4.ts';
import { type Log, quiet } from '../../client/index.ts';
import type { Clock } from '../../machinery/index.ts';
import { type Forwarding, forward } from './forward.ts';
import { HostPorts } from './hostports.ts';
import { checkSandboxId, type HostPort, type OwnedPodNetwork, type PodAddresses } from './podnetwork.ts';

export interface LoopbackOptions {
  /** Where the addresses are kept. */
  directory: string;
  /** Within 127.0.0.0/8; 127.244.0.0/16 when absent. */
  podCIDR?: string;
  log?: Log;
  clock: Clock;
  /** Where host ports answer besides 127.0.0.1: addresses of this node. */
  publishOn?: readonly string[];
}

const loopback = parseCidr('127.0.0.0/8', 'loopback');

export function loopbackPodNetwork(options: LoopbackOptions): OwnedPodNetwork {
  const log = options.log ?? quiet;
  const range = parseCidr(options.podCIDR ?? '127.244.0.0/16', 'podCIDR');
  if (!covers(loopback, range) || contains(range, parseIPv4('127.0.0.1'))) {
    throw new Error(
      `podCIDR: "${options.podCIDR}" must lie in 127.0.0.0/8 and leave out 127.0.0.1; use 127.244.0.0/16`,
    );
  }
  const addresses = fileAddresses(join(options.directory, 'addresses.json'), range, 2, (file) =>
    log.warn({ file }, 'the file of pod addresses was damaged and is begun anew'),
  );
  const ports = new PublishedPorts(options, log);
  const found = (id: string): PodAddresses | undefined => {
    const address = addresses.get(id);
    return address === undefined ? undefined : { ips: [address] };
  };
  const del = async (id: string) => {
    await Promise.all([ports.close(id), addresses.free(id)]);
  };
  return {
    async up() {
      await Promise.all(addresses.owners().map((id) => ports.reopen(id, addresses.get(id)!)));
    },
    async add({ id, hostPorts }) {
      checkSandboxId(id);
      const known = found(id);
      const { address, saved } = addresses.take(id);
      await saved;
      await ports.open(id, address, hostPorts).catch(async (error: unknown) => {
        if (known === undefined) await del(id);
        throw error;
      });
      return { ips: [address] };
    },
    del,
    check: async (id) => found(id),
    stop: () => ports.stop(),
    async down() {
      await Promise.all(addresses.owners().map(del));
    },
  };
}

/** Which pod has which ports of the host, and what listens there for it. */
class PublishedPorts {
  readonly #options: Parameters<typeof forward>[2];
  readonly #kept: HostPorts;
  readonly #open = new Map<string, Forwarding>();

  constructor({ directory, publishOn = [], clock }: LoopbackOptions, log: Log) {
    this.#options = { clock, log, addresses: ['127.0.0.1', ...publishOn] };
    this.#kept = new HostPorts(join(directory, 'hostports.json'));
  }

  /** Rejects, and holds nothing, when one of the ports cannot be had. */
  async open(id: string, address: string, hostPorts: HostPort[]): Promise<void> {
    if (hostPorts.length === 0 || this.#open.has(id)) return;
    await this.#kept.set(id, hostPorts);
    this.#open.set(id, await forward(address, hostPorts, this.#options));
  }

  /** After a restart of this process. What somebody else has taken meanwhile is told, and the pod goes on without. */
  async reopen(id: string, address: string): Promise<void> {
    const hostPorts = this.#kept.get(id);
    if (hostPorts.length === 0 || this.#open.has(id)) return;
    try {
      this.#open.set(id, await forward(address, hostPorts, this.#options));
    } catch (error) {
      this.#options.log.error({ sandbox: id, err: error }, 'a pod has lost its host ports');
    }
  }

  async close(id: string): Promise<void> {
    const forwarding = this.#open.get(id);
    this.#open.delete(id);
    await Promise.all([forwarding?.close(), this.#kept.delete(id)]);
  }

  async stop(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(all.map((forwarding) => forwarding.close()));
  }
}
