/** 20,000 nodes that do nothing but say that they are there: what that costs, every renewal a write through the API. `-- --nodes 2000` is a quick one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { report } from './report.ts';
import { sizesOf, startSimulated } from './simulated/index.ts';

const full = { nodes: 20_000 };
const { nodes } = sizesOf(full);
const isFull = nodes >= full.nodes;
/** Milliseconds: until what the start left behind is done, and of measuring. */
const settles = 15_000;
const slices = 6;
const slice = 5_000;

await using cluster = await startSimulated({ nodes });
await cluster.ready();
await sleep(settles);
const processor: number[] = [];
const memory: number[] = [];
for (let i = 0; i < slices; i++) {
  const [before, began] = [process.cpuUsage(), performance.now()];
  await sleep(slice);
  const { user, system } = process.cpuUsage(before);
  processor.push((user + system) / 1000 / (performance.now() - began));
  memory.push(process.memoryUsage().rss / 1e6);
}
const count = await cluster.count();
if (count.nodes.ready !== nodes) throw new Error(`${count.nodes.ready} of ${nodes} nodes are ready`);
const what = `${nodes} nodes registered and ready, each renewing its Lease every 10 s`;
report({
  name: 'heartbeats-cpu',
  what: `${what}: cores used, in slices of ${slice / 1000} s`,
  unit: 'cores',
  figures: processor,
  goal: isFull ? 'under 0.5' : 'none at this size',
  met: (median) => !isFull || median < 0.5,
});
report({
  name: 'heartbeats-memory',
  what: `${what}: resident memory, control plane and nodes in one process`,
  unit: 'MB',
  figures: memory,
  goal: isFull ? 'under 2,000 MB' : 'none at this size',
  met: (median) => !isFull || median < 2_000,
});
await cluster[Symbol.asyncDispose]();
process.exit(0);
