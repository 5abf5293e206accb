import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeObject, parseSelector } from '../machinery/index.ts';
import { ObjectCache } from './objectcache.ts';

const pod = (n: number, app: string, namespace = 'ns', more: Record<string, string> = {}): KubeObject => ({
  metadata: { name: `pod-${n}`, namespace, labels: { app, ...more } },
});

test('among many objects a selector finds the same as among few, also after changes', () => {
  for (const many of [10, 1_000]) {
    const cache = new ObjectCache<KubeObject>();
    for (let n = 0; n < many; n++) cache.set(pod(n, `app-${n % 5}`, 'ns', { tier: n % 2 === 0 ? 'front' : 'back' }));
    cache.set(pod(0, 'app-1', 'other'));
    const found = (selector: string, namespace: string | undefined = 'ns') =>
      cache.list({ namespace, selector: parseSelector(selector) }).map(({ metadata }) => metadata.name!);
    assert.equal(found('app=app-1').length, many / 5);
    assert.equal(found('app=app-1,tier=front').length, many / 10);
    assert.equal(found('tier!=front').length, many / 2);
    assert.deepEqual(found('app=app-1', 'other'), ['pod-0']);
    assert.deepEqual(found('app=app-9'), []);

    cache.set(pod(1, 'app-9'));
    cache.delete('ns/pod-6');
    assert.deepEqual(found('app=app-9'), ['pod-1']);
    assert.equal(found('app=app-1').length, many / 5 - 2);
    cache.set(pod(many, 'app-9'));
    assert.deepEqual(found('app in (app-9)').toSorted(), ['pod-1', `pod-${many}`].toSorted());
  }
});

test('a label beyond those with an index is still found', () => {
  const cache = new ObjectCache<KubeObject>();
  const labels = Array.from({ length: 20 }, (_, i) => `label-${i}`);
  for (let n = 0; n < 300; n++) cache.set(pod(n, 'app', 'ns', { [labels[n % 20]!]: 'here' }));
  for (const label of labels)
    assert.equal(cache.list({ namespace: 'ns', selector: parseSelector(`${label}=here`) }).length, 15);
});
