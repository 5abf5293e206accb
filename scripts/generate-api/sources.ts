/** Where the facts come from: the published Go modules of one Kubernetes release. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const kubernetesVersion = 'v1.36.0';
const stagingVersion = 'v0.36.0';

export interface Modules {
  kubernetes: string;
  api: string;
  apimachinery: string;
  apiextensions: string;
  aggregator: string;
}

function download(module: string, version: string): string {
  const told = execFileSync('go', ['mod', 'download', '-json', `${module}@${version}`], { encoding: 'utf8' });
  return JSON.parse(told).Dir;
}

export function findModules(kubernetes?: string): Modules {
  return {
    kubernetes: kubernetes ?? download('k8s.io/kubernetes', kubernetesVersion),
    api: download('k8s.io/api', stagingVersion),
    apimachinery: download('k8s.io/apimachinery', stagingVersion),
    apiextensions: download('k8s.io/apiextensions-apiserver', stagingVersion),
    aggregator: download('k8s.io/kube-aggregator', stagingVersion),
  };
}

export interface Sources {
  /** OpenAPI v2. */
  swagger: any;
  /** `definition.field` → its default, where that is more than the zero value. */
  defaults: Map<string, unknown>;
  /** APIResourceList of the core group. */
  core: any;
  /** APIGroupDiscoveryList of every other group. */
  groups: any;
}

export function readSources(kubernetes: string): Sources {
  const read = (...path: string[]) => JSON.parse(readFileSync(join(kubernetes, 'api', ...path), 'utf8'));
  const defaults = new Map<string, unknown>();
  for (const file of readdirSync(join(kubernetes, 'api', 'openapi-spec', 'v3'))) {
    const schemas = read('openapi-spec', 'v3', file).components.schemas ?? {};
    for (const [definition, schema] of Object.entries<any>(schemas))
      for (const [field, { default: value }] of Object.entries<any>(schema.properties ?? {}))
        if (value && typeof value !== 'object') defaults.set(`${definition}.${field}`, value);
  }
  return {
    swagger: read('openapi-spec', 'swagger.json'),
    defaults,
    core: read('discovery', 'api__v1.json'),
    groups: read('discovery', 'aggregated_v2.json'),
  };
}
