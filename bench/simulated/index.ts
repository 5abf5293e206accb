/** The cluster of a benchmark: what `glass sim` starts, in this process, in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Deployment, deployments, type Namespace, namespaces } from '../../src/api/index.ts';
import type { SimOptions } from '../../src/cli/index.ts';
import { placesOf } from '../../src/cli/places.ts';
import type { Client, Log } from '../../src/client/index.ts';
import { type HookedSimulation, type SimHooks, startSimulation } from '../../src/cmd/sim.ts';

export const namespace = 'bench';

/** Tells faults, as a benchmark that goes wrong must not look like a slow one. */
const log: Log = {
  debug() {},
  info() {},
  warn() {},
  error: (fields, message) => process.stderr.write(`${message}: ${String((fields as { err?: unknown }).err)}\n`),
};

export async function startSimulated(
  options: Partial<SimOptions> & { nodes: number },
  hooks: SimHooks = {},
): Promise<HookedSimulation & AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sim-'));
  const standard: SimOptions = {
    places: placesOf(join(folder, 'cluster')),
    port: 0,
    nodes: 0,
    capacity: { cpu: '32', memory: '256Gi', pods: '110', 'ephemeral-storage': '1Ti' },
    stages: [],
    recorded: [],
    virtual: false,
    timings: { pull: [0, 0], start: [5, 20], stop: [1, 1] },
    log,
    report() {},
  };
  const simulation = await startSimulation({ ...standard, ...options }, hooks);
  return {
    ...simulation,
    async [Symbol.asyncDispose]() {
      await simulation.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Options that make a run smaller: `--nodes 500 --pods 15000`. */
export function sizesOf<T extends Record<string, number>>(standard: T): T {
  const options = Object.fromEntries(Object.keys(standard).map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ options: { ...options, json: { type: 'boolean' } }, allowPositionals: true });
  const given = values as Record<string, string | undefined>;
  return Object.fromEntries(Object.entries(standard).map(([name, value]) => [name, Number(given[name] ?? value)])) as T;
}

export async function makeNamespace(client: Client): Promise<void> {
  await client.create<Namespace>(namespaces, { metadata: { name: namespace }, spec: {} } as Namespace);
}

export function deploymentOf(name: string, replicas: number, more: Partial<Deployment['spec']> = {}): Deployment {
  const labels = { app: name };
  const resources = { requests: { cpu: '100m', memory: '128Mi' } };
  return {
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: `${name}:1`, resources }] } },
      ...more,
    },
  } as Deployment;
}

/** Of all Deployments, how many pods are available. */
export async function available(client: Client): Promise<number> {
  const { items } = await client.list<Deployment>(deployments, { namespace });
  return items.reduce((sum, { status }) => sum + (status?.availableReplicas ?? 0), 0);
}

/** Megabytes, at most so far. */
export const peakMemory = (): number => process.resourceUsage().maxRSS / 1000;
