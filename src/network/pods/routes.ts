/** What the machine's own network looks like before we add ours. */
import { type Cidr, covers, formatCidr, overlaps, tryParseIPv4 } from '../ipv4.ts';
import { type Run, RunError } from '../run.ts';
import type { Layout } from './commands.ts';

interface Route {
  type?: string;
  dst: string;
  dev?: string;
}

interface Link {
  ifname: string;
  ifalias?: string;
}

export interface HostNetwork {
  bridgeExists: boolean;
  /** Interfaces of default routes. */
  uplinks: string[];
  /** Wider networks of the machine that our ranges hide a part of. */
  hidden: string[];
}

/** Rejects when our ranges or our bridge's name are somebody else's. */
export async function inspectHost(run: Run, layout: Layout): Promise<HostNetwork> {
  const [routes, link] = await Promise.all([
    run('ip', ['-json', '-4', 'route', 'show', 'table', 'main']).then((text) => JSON.parse(text || '[]') as Route[]),
    linkOf(run, layout.bridge),
  ]);
  if (link !== undefined && link.ifalias !== layout.owner) {
    throw new Error(
      `the interface "${layout.bridge}" belongs to ${link.ifalias ?? 'somebody else'}, not to ${layout.owner}; ` +
        `stop that first, remove it (ip link del ${layout.bridge}), or choose another bridge name and other ranges`,
    );
  }
  const hidden: string[] = [];
  for (const route of routes) {
    const range = rangeOf(route.dst);
    if (range === undefined || route.type === 'unreachable' || route.dev === layout.bridge) continue;
    for (const [field, ours] of [
      ['clusterCIDR', layout.clusterCIDR],
      ['serviceCIDR', layout.serviceCIDR],
    ] as const) {
      if (covers(ours, range)) {
        throw new Error(
          `${field}: ${formatCidr(ours)} is in use on this machine (${route.dst} on ${route.dev}); choose another range`,
        );
      }
      if (overlaps(ours, range)) hidden.push(`${route.dst} on ${route.dev}`);
    }
  }
  const uplinks = new Set(routes.flatMap((route) => (route.dst === 'default' && route.dev ? [route.dev] : [])));
  return { bridgeExists: link !== undefined, uplinks: [...uplinks], hidden };
}

async function linkOf(run: Run, name: string): Promise<Link | undefined> {
  try {
    return (JSON.parse(await run('ip', ['-json', 'link', 'show', 'dev', name])) as Link[])[0];
  } catch (error) {
    if (error instanceof RunError && /does not exist/.test(error.stderr)) return undefined;
    throw error;
  }
}

function rangeOf(text: string): Cidr | undefined {
  const [ip = '', bits = '32'] = text.split('/');
  const base = tryParseIPv4(ip);
  return base === undefined ? undefined : { base, bits: Number(bits) };
}
