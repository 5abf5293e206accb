/**
 * Writes `src/apiserver/authz/gen/policy.json`, the default roles and bindings of a cluster, from the tables that upstream keeps of
 * its own. Run by hand when the Kubernetes version moves: `node scripts/generate-policy.ts [folder of the k8s.io/kubernetes module]`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

const version = 'v1.36.0';
const source =
  process.argv[2] ??
  JSON.parse(execFileSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@${version}`], { encoding: 'utf8' }))
    .Dir;
const folder = join(source, 'plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata');

const files = [
  'cluster-roles',
  'controller-roles',
  'cluster-role-bindings',
  'controller-role-bindings',
  'namespace-roles',
  'namespace-role-bindings',
];
const objects = files.flatMap((file) => {
  const list = load(readFileSync(join(folder, `${file}.yaml`), 'utf8')) as { items: any[] };
  return list.items.flatMap((item) => item.items ?? [item]);
});

const compact = objects.map((object) => {
  const { kind, metadata, rules, aggregationRule, roleRef, subjects } = object;
  const labels = { ...metadata.labels };
  delete labels['kubernetes.io/bootstrapping'];
  return {
    kind,
    name: metadata.name,
    ...(metadata.namespace && { namespace: metadata.namespace }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(aggregationRule && { aggregationRule }),
    ...(rules && { rules }),
    ...(roleRef && { role: `${roleRef.kind}/${roleRef.name}`, subjects: subjects ?? [] }),
  };
});
mkdirSync('src/apiserver/authz/gen', { recursive: true });
writeFileSync(
  'src/apiserver/authz/gen/policy.json',
  `[\n${compact.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`,
);
