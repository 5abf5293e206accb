/**
 * A day of releases in virtual time: 150 services under load, 2,200 rolling releases, and not one request that would fail. `-- --services 15
 * --releases 220 --hours 3` is a quick one; `--stop 100` makes programs end too soon, and shows that this is seen.
 */
import { type Deployment, deployments, type Service, services } from '../src/api/index.ts';
import { report } from './report.ts';
import { deploymentOf, makeNamespace, namespace, sizesOf, startSimulated } from './simulated/index.ts';
import { Traffic } from './simulated/traffic.ts';

const full = { services: 150, releases: 2_200, hours: 24, nodes: 50, seed: 1, stop: 5_000 };
const sizes = sizesOf(full);
const hour = 3_600_000;
/** Milliseconds: releases begin after the first and end before the last of the day. */
const warmUp = 10 * 60_000;
const windDown = 20 * 60_000;

const traffic = new Traffic();
await using cluster = await startSimulated(
  {
    nodes: sizes.nodes,
    virtual: true,
    duration: sizes.hours * hour,
    seed: sizes.seed,
    // a program that goes on for so long after it was asked to end, as it should behind proxies that hear of it late
    timings: { pull: [1_000, 20_000], start: [500, 8_000], stop: [sizes.stop, sizes.stop * 1.6] },
  },
  { observer: traffic.observer },
);
const { client, clock, random } = cluster;
const stop = new AbortController();
const began = performance.now();
await cluster.ready();
traffic.follow(client, clock, random, stop.signal);
await makeNamespace(client);
const names = Array.from({ length: sizes.services }, (_, n) => `service-${n}`);
for (const name of names) {
  await client.create<Deployment>(deployments, deploymentOf(name, 2 + Math.floor(random.next() * 9)));
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  await client.create<Service>(services, { metadata: { name, namespace }, spec } as Service);
}
let released = 0;
const problems: string[] = [];
const day = sizes.hours * hour - warmUp - windDown;
for (let n = 0; n < sizes.releases; n++)
  clock.after(warmUp + random.next() * day, () => {
    const name = names[Math.floor(random.next() * names.length)]!;
    const containers = [{ name: 'app', image: `${name}:${n + 2}` }];
    client
      .patch(
        deployments,
        { name, namespace },
        { type: 'strategic', body: { spec: { template: { spec: { containers } } } } },
      )
      .then(
        () => released++,
        (error: unknown) => problems.push(`release ${n} of ${name}: ${String(error)}`),
      );
  });
await cluster.run(stop.signal, (elapsed) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${(elapsed / hour).toFixed(1)} h, ${released} releases`);
});
const seconds = (performance.now() - began) / 1000;
for (const { metadata, spec, status } of (await client.list<Deployment>(deployments, { namespace })).items)
  if (status?.updatedReplicas !== spec.replicas || status?.availableReplicas !== spec.replicas)
    problems.push(
      `${metadata.name} has ${status?.updatedReplicas} updated and ${status?.availableReplicas} available of ${spec.replicas}`,
    );
for (const what of [...problems, ...traffic.failures].slice(0, 20)) process.stderr.write(`${what}\n`);
const what = `${sizes.services} services under load, ${released} rolling releases in ${sizes.hours} h of virtual time on ${sizes.nodes} nodes`;
report({
  name: 'release-day',
  what: `${what}; ${traffic.checks} instants checked for requests that would fail`,
  unit: 'failed',
  figures: [traffic.failures.length + problems.length + (sizes.releases - released)],
  goal: 'none',
  met: (median) => median === 0,
});
report({
  name: 'release-day-time',
  what,
  unit: 's',
  figures: [seconds],
  goal: 'minutes',
  met: (median) => median < 600,
});
stop.abort();
await cluster[Symbol.asyncDispose]();
process.exit(0);
