/** `glass logs APP`: follows an app across its pods, whichever come and go. */
import { pods } from '../../api/index.ts';
import { Failure } from '../errors.ts';
import { placesOf } from '../places.ts';
import type { Platform } from '../platform.ts';
import { out } from '../print.ts';
import { readRun } from '../runfile.ts';

export async function logs(
  platform: Platform,
  app: string,
  flags: { dataDir?: string; follow?: boolean; tail: string; namespace: string },
): Promise<void> {
  const places = placesOf(flags.dataDir);
  if (readRun(places) === undefined)
    throw new Failure(`no cluster runs from ${places.root}: start one with "glass up"`);
  const client = await platform.connect(places.kubeconfig);
  const selection = { namespace: flags.namespace, labelSelector: `app=${app}` };
  const following = new Map<string, Promise<void>>();
  const follow = (name: string) => {
    if (following.has(name)) return;
    const prefix = `${name} `;
    const query = { follow: flags.follow === true, tailLines: Number(flags.tail) };
    const lines = async () => {
      for await (const line of platform.podLogs(places.kubeconfig, { namespace: flags.namespace, name, ...query }))
        out(prefix + line);
    };
    following.set(
      name,
      lines().catch(() => {}),
    );
  };
  const list = await client.list(pods, selection);
  if (list.items.length === 0 && !flags.follow)
    throw new Failure(
      `no pods of ${app} in namespace ${flags.namespace}: "kubectl get pods --show-labels" shows what there is`,
    );
  for (const pod of list.items) follow(pod.metadata.name!);
  if (!flags.follow) return void (await Promise.all(following.values()));
  for await (const { type, object } of client.watch(pods, {
    ...selection,
    resourceVersion: list.metadata.resourceVersion,
  }))
    if (type !== 'DELETED' && object.status?.phase === 'Running') follow(object.metadata.name!);
}
