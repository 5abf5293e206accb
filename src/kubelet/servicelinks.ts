/** The variables that tell a container where the Services of its namespace are. */
import type { Pod, Service } from './kinds.ts';

export function serviceEnv(pod: Pod, services: Iterable<Service>): Map<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name = '', namespace } = service.metadata;
    const address = service.spec?.clusterIP;
    if (!address || address === 'None') continue;
    if (namespace === 'default' && name === 'kubernetes' && !chosen.has(name)) chosen.set(name, service);
    else if (namespace === pod.metadata.namespace && pod.spec?.enableServiceLinks !== false) chosen.set(name, service);
  }
  const env = new Map<string, string>();
  for (const [name, service] of chosen) addLinks(env, name.replaceAll('-', '_').toUpperCase(), service);
  return env;
}

function addLinks(env: Map<string, string>, prefix: string, service: Service): void {
  const address = service.spec?.clusterIP ?? '';
  const host = address.includes(':') ? `[${address}]` : address;
  env.set(`${prefix}_SERVICE_HOST`, address);
  for (const [index, { port, name, protocol = 'TCP' }] of (service.spec?.ports ?? []).entries()) {
    const url = `${protocol.toLowerCase()}://${host}:${port}`;
    if (index === 0) {
      env.set(`${prefix}_SERVICE_PORT`, String(port));
      env.set(`${prefix}_PORT`, url);
    }
    if (name) env.set(`${prefix}_SERVICE_PORT_${name.replaceAll('-', '_').toUpperCase()}`, String(port));
    const link = `${prefix}_PORT_${port}_${protocol}`;
    env.set(link, url);
    env.set(`${link}_PROTO`, protocol.toLowerCase());
    env.set(`${link}_PORT`, String(port));
    env.set(`${link}_ADDR`, address);
  }
}
