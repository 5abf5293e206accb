/**
 * A CustomResourceDefinition goes with all its instances (10,000, or as many as `-- N` says): how long that takes, and how long somebody
 * else who reads another object waits meanwhile, at worst.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Asker, open, request, run, type Target } from './load/connection.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const count = Number(process.argv.slice(2).find((one) => /^\d+$/.test(one)) ?? 10_000);
const longest = 300_000;
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const instances = '/apis/bench.test/v1/namespaces/default/things';
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.bench.test' },
  spec: {
    group: 'bench.test',
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

const result = await compare(async (target) => {
  const asker = new Asker(await open(target));
  await asker.ask(request('POST', definitions, JSON.stringify(definition)));
  while ((await asker.ask(request('GET', instances))).status !== 200) await sleep(20);
  let next = 0;
  const make = () => {
    const instance = {
      apiVersion: 'bench.test/v1',
      kind: 'Thing',
      metadata: { name: `thing-${next++}` },
      spec: { filler: 'x'.repeat(500) },
    };
    return request('POST', instances, JSON.stringify(instance));
  };
  await run(target, 32, () => (next < count ? make() : undefined));
  const figures = await removed(asker, target);
  asker.close();
  return { figures: [figures.seconds] };
});
report({
  name: 'removal',
  what: `removal of a CustomResourceDefinition with ${count.toLocaleString('en')} instances, to the last of them`,
  unit: 's',
  ...result,
  goal: 'no longer than the peer',
  met: (_median, ratio) => ratio === undefined || ratio >= 1,
});

async function removed(asker: Asker, target: Target): Promise<{ seconds: number; worst: number }> {
  const other = new Asker(await open(target));
  const path = `${definitions}/things.bench.test`;
  const began = performance.now();
  const first = await asker.ask(request('DELETE', path));
  if (first.status !== 200) throw new Error(`the deletion was answered with ${first.status}`);
  let worst = 0;
  for (;;) {
    const asked = performance.now();
    await other.ask(request('GET', '/api/v1/namespaces/default'));
    worst = Math.max(worst, performance.now() - asked);
    const { status } = await asker.ask(request('GET', path));
    const seconds = (performance.now() - began) / 1000;
    if (status === 404) {
      other.close();
      process.stderr.write(`${seconds.toFixed(1)} s; another client waited ${worst.toFixed(0)} ms at worst\n`);
      return { seconds, worst };
    }
    if (seconds * 1000 > longest) throw new Error(`the definition is still there after ${seconds} s`);
    await sleep(5);
  }
}
