/** Pod addresses without privileges: each pod has a loopback address of its own, and shares the host's namespace. */
import { join } from 'node:path';
import { fileAddresses } from '../addresses.ts';
import { contains, covers, parseCidr, parseIPv4 } from '../ipv4.ts';
import { type Log, quiet } from '../../client/index.ts';
import { checkSandboxId, type OwnedPodNetwork, type PodAddresses } from './podnetwork.ts';

export interface LoopbackOptions {
  /** Where the addresses are kept. */
  directory: string;
  /** Within 127.0.0.0/8; 127.244.0.0/16 when absent. */
  podCIDR?: string;
  log?: Log;
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
  const found = (id: string): PodAddresses | undefined => {
    const address = addresses.get(id);
    return address === undefined ? undefined : { ips: [address] };
  };
  return {
    async up() {},
    async add({ id }) {
      checkSandboxId(id);
      const { address, saved } = addresses.take(id);
      await saved;
      return { ips: [address] };
    },
    del: (id) => addresses.free(id),
    check: async (id) => found(id),
    async down() {
      await Promise.all(addresses.owners().map((owner) => addresses.free(owner)));
    },
  };
}
