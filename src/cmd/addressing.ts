/** Which addresses a cluster uses: ranges of its own in the kernel, loopback ones where nobody may make networks. */
import type { RuntimeName } from '../cli/index.ts';

export interface Addressing {
  mode: 'kernel' | 'userspace';
  podCIDR: string;
  clusterCIDR: string;
  serviceCIDR: string;
  /** Of the `kubernetes` Service. */
  serviceAddress: string;
  /** Of the cluster's DNS Service. */
  dnsAddress: string;
  /** The node, as pods reach it. */
  gateway: string;
}

export function addressing(runtime: RuntimeName): Addressing {
  if (runtime === 'oci')
    return {
      mode: 'kernel',
      podCIDR: '10.244.0.0/24',
      clusterCIDR: '10.244.0.0/16',
      serviceCIDR: '10.96.0.0/16',
      serviceAddress: '10.96.0.1',
      dnsAddress: '10.96.0.10',
      gateway: '10.244.0.1',
    };
  return {
    mode: 'userspace',
    podCIDR: '127.244.0.0/16',
    clusterCIDR: '127.244.0.0/16',
    serviceCIDR: '127.96.0.0/16',
    serviceAddress: '127.96.0.1',
    dnsAddress: '127.96.0.10',
    gateway: '127.0.0.1',
  };
}
