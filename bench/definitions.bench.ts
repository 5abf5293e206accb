/** From the creation of a CustomResourceDefinition to the first instance that is accepted, over HTTPS. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Asker, open, request } from './load/connection.ts';
import { report } from './report.ts';
import { compare } from './server/index.ts';

const rounds = 20;
const longest = 30_000;

const result = await compare(async (target) => {
  const asker = new Asker(await open(target));
  const figures: number[] = [];
  for (let n = 0; n < rounds; n++) figures.push(await once(asker, n));
  asker.close();
  return { figures };
});
report({
  name: 'definitions',
  what: 'creation of a CustomResourceDefinition to its first accepted instance',
  unit: 'ms',
  ...result,
  goal: 'at least 3 times as fast as the peer',
  met: (_median, ratio) => ratio !== undefined && ratio >= 3,
});

async function once(asker: Asker, n: number): Promise<number> {
  const plural = `things${n}`;
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.bench.test` },
    spec: {
      group: 'bench.test',
      scope: 'Namespaced',
      names: { plural, singular: `thing${n}`, kind: `Thing${n}` },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
  const instance = { apiVersion: 'bench.test/v1', kind: `Thing${n}`, metadata: { name: 'first' } };
  const began = performance.now();
  const made = await asker.ask(
    request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', JSON.stringify(definition)),
  );
  if (made.status !== 201) throw new Error(`the definition was answered with ${made.status}`);
  for (;;) {
    const path = `/apis/bench.test/v1/namespaces/default/${plural}`;
    const { status } = await asker.ask(request('POST', path, JSON.stringify(instance)));
    const passed = performance.now() - began;
    if (status === 201) return passed;
    if (passed > longest)
      throw new Error(`no instance was accepted within ${longest} ms: the last answer was ${status}`);
    await sleep(1);
  }
}
