import type { Plugin } from '../framework.ts';
import { hostPortsOf } from '../snapshot.ts';

function conflicts(port: string, held: ReadonlyMap<string, number>): boolean {
  const [protocol, ip, number] = port.split('/');
  if (held.has(port) || held.has(`${protocol}/0.0.0.0/${number}`)) return true;
  if (ip !== '0.0.0.0') return false;
  for (const other of held.keys()) if (other.startsWith(`${protocol}/`) && other.endsWith(`/${number}`)) return true;
  return false;
}

export const nodePorts: Plugin = {
  name: 'NodePorts',
  preFilter({ pod, state }) {
    state.set('NodePorts', hostPortsOf(pod));
    return undefined;
  },
  filter({ state }, node) {
    const wanted = state.get('NodePorts') as string[];
    if (wanted.length === 0 || !wanted.some((port) => conflicts(port, node.ports))) return undefined;
    return { reason: "node(s) didn't have free ports for the requested pod ports" };
  },
  events: ['NodeAdd', 'PodDelete'],
};
