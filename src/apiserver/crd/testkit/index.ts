/** For this folder's tests: definitions, and waiting for what the server says of them. */
import type { AnyObject } from '../../../machinery/index.ts';
import type { Door } from '../../testkit/index.ts';

export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

interface Wanted {
  group?: string;
  plural?: string;
  kind?: string;
  scope?: 'Namespaced' | 'Cluster';
  /** Served and, the first of them, stored, unless they say otherwise; without a schema they keep all fields. */
  versions?: { name: string; [field: string]: unknown }[];
  names?: object;
  conversion?: object;
}

export function definition({
  group = 'stable.example.com',
  plural = 'crontabs',
  kind = 'CronTab',
  scope = 'Namespaced',
  versions = [{ name: 'v1' }],
  names = {},
  conversion,
}: Wanted = {}): AnyObject {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { plural, kind, ...names },
      versions: versions.map((version, i) => ({ served: true, storage: i === 0, schema, ...version })),
      ...(conversion && { conversion }),
    },
  } as AnyObject;
}

export async function conditionOf(door: Door, name: string, type: string): Promise<any> {
  const { body } = await door.ask('GET', `${definitions}/${name}`);
  return body.status?.conditions?.find((one: any) => one.type === type);
}

export async function established(door: Door, name: string): Promise<void> {
  await door.cluster.eventually(async () => (await conditionOf(door, name, 'Established'))?.status === 'True', {
    what: `${name} was not established`,
  });
}
