/** An empty cluster becomes one of 5,000 nodes with 150,000 Pods, all Running; every write goes through the API. `-- --nodes 500 --pods 15000` is a quick one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { deployments } from '../src/api/index.ts';
import { report } from './report.ts';
import { atRest } from './simulated/rest.ts';
import { available, deploymentOf, makeNamespace, peakMemory, sizesOf, startSimulated } from './simulated/index.ts';

const full = { nodes: 5_000, pods: 150_000 };
const { nodes, pods } = sizesOf(full);
const isFull = nodes >= full.nodes && pods >= full.pods;
const perDeployment = 1_000;
/** Milliseconds that it may take before it counts as stuck. */
const longest = 600_000;
/** Where controllers and scheduler are, and what follows objects for them; not the clients by which nodes write. */
const theirs = [
  '/controllers/',
  '/scheduler/',
  '/client/informer.ts',
  '/client/controller.ts',
  '/client/workqueue.ts',
].map((part) => `/src${part}`);
/** Milliseconds after which nothing of the rush is left. */
const settling = 30_000;
const told = process.env['BENCH_PROGRESS'] !== undefined;

await using cluster = await startSimulated({ nodes });
const { client } = cluster;
const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;
const cpuBefore = process.cpuUsage();
await cluster.ready();
const registered = seconds();
await makeNamespace(client);
for (let left = pods, n = 0; left > 0; left -= perDeployment, n++)
  await client.create(deployments, deploymentOf(`app-${n}`, Math.min(left, perDeployment)));
for (let now = 0; now < pods; ) {
  await sleep(250);
  now = await available(client);
  if (told) process.stderr.write(`${seconds().toFixed(1)} s: ${now} available, ${Math.round(peakMemory())} MB\n`);
  if (seconds() * 1000 > longest) throw new Error(`only ${now} of ${pods} pods are available after ${seconds()} s`);
}
const took = seconds();
const { user, system } = process.cpuUsage(cpuBefore);
if (told)
  process.stderr.write(
    `${registered.toFixed(1)} s for the nodes, ${((user + system) / 1e6).toFixed(1)} s of processor\n`,
  );
const what = `${nodes} nodes and ${pods} Pods from empty to all available, simulated nodes, store in memory`;
report({
  name: 'scale',
  what,
  unit: 's',
  figures: [took],
  goal: isFull ? 'under 90 s' : 'none at this size',
  met: (median) => !isFull || median < 90,
});
report({
  name: 'scale-rate',
  what,
  unit: 'pods/s',
  figures: [pods / (took - registered)],
  goal: 'as the time asks',
  met: () => true,
  moreIsBetter: true,
});
report({
  name: 'scale-memory',
  what: 'resident memory at most, of everything in one process',
  unit: 'MB',
  figures: [peakMemory()],
  goal: isFull ? 'under 4,000 MB' : 'none at this size',
  met: (median) => !isFull || median < 4_000,
});
await sleep(settling);
const rest = await atRest(60_000, theirs);
report({
  name: 'scale-rest',
  what: `processor of controllers and scheduler while nothing happens, over a minute; the whole process: ${rest.all.toFixed(1)} %, most of it ${nodes} nodes that renew their leases`,
  unit: '% of a core',
  figures: [rest.of],
  goal: isFull ? 'under 2 %' : 'none at this size',
  met: (median) => !isFull || median < 2,
});
await cluster[Symbol.asyncDispose]();
process.exit(0);
