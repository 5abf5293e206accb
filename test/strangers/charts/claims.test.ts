import assert from 'node:assert/strict';
import test from 'node:test';
import { hookNamesOf, isOfHook, sharedNames, turns } from './claims.ts';

const manifest = `
kind: ClusterRole
metadata: { name: reader }
---
kind: Role
metadata: { name: own, namespace: try-1 }
---
kind: Role
metadata: { name: elsewhere, namespace: kube-system }
---
kind: Job
metadata: { name: prepare, annotations: { helm.sh/hook: pre-install } }
`;

test('what two charts can both bring: objects of the whole cluster and of other namespaces', () => {
  const shared = sharedNames(manifest, 'try-1', new Set(['ClusterRole']));
  assert.deepEqual(shared, ['ClusterRole/reader', 'Role/kube-system/elsewhere']);
});

test('what a hook made stays, and its pods; what only begins like it does not', () => {
  const hooks = hookNamesOf(manifest);
  const names = ['job.batch/prepare', 'pod/prepare-x', 'job.batch/prepared', 'service/prepare-x'];
  assert.deepEqual(
    names.filter((name) => !isOfHook(name, hooks)),
    ['job.batch/prepared', 'service/prepare-x'],
  );
});

test('who wants a name that another has waits for it; who wants others does not', async () => {
  const take = turns();
  const first = await take(['a', 'b']);
  let got = false;
  const second = take(['b', 'c']).then((held) => {
    got = true;
    return held;
  });
  (await take(['d']))[Symbol.dispose]();
  assert.equal(got, false);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  assert.equal(got, true);
});
