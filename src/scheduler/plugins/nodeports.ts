import type { Pod } from '../../api/index.ts';
import type { Plugin, Rejection } from '../framework.ts';
import { type HostPort, hostPortsOf } from '../nodeinfo.ts';

const anyAddress = '0.0.0.0';

function conflicts(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress)
  );
}

function clash(wanted: readonly HostPort[], held: readonly HostPort[]): boolean {
  return wanted.some((port) => held.some((other) => conflicts(port, other)));
}

const taken: Rejection = { reason: "node(s) didn't have free ports for the requested pod ports" };

export const nodePorts = (): Plugin => ({
  name: 'NodePorts',
  local: true,
  preFilter: ({ pod }) => (hostPortsOf(pod).length === 0 ? 'skip' : undefined),
  filter: ({ pod }, { ports }) => (clash(hostPortsOf(pod), ports) ? taken : undefined),
  events: ['NodeAdd', 'NodeUpdate', 'PodDelete'],
  helps: (pod, event, old) => event !== 'PodDelete' || clash(hostPortsOf(pod), hostPortsOf(old as Pod)),
});
