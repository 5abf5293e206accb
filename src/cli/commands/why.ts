/** `glass why KIND/NAME`: one causal timeline, from the apply to the first log line, and what is waited for. */
import type { HttpsClient } from '../../client/index.ts';
import { Failure, UsageError } from '../errors.ts';
import { placesOf } from '../places.ts';
import type { Platform } from '../platform.ts';
import { bold, dim, out, red, table } from '../print.ts';
import { readRun } from '../runfile.ts';
import * as why from '../why/index.ts';

export interface WhyFlags {
  dataDir?: string;
  kubeconfig?: string;
  namespace: string;
  pods: string;
  output?: string;
}

export async function explainWhy(
  platform: Platform,
  target: string,
  name: string | undefined,
  flags: WhyFlags,
): Promise<void> {
  const { word, called } = targetOf(target, name);
  const podLimit = Number(flags.pods);
  if (!Number.isSafeInteger(podLimit) || podLimit < 0)
    throw new UsageError(`--pods ${flags.pods}: a whole number of pods, as in --pods 10`);
  const client = await platform.connect(kubeconfigOf(flags));
  try {
    const kinds = await why.discover(client);
    const kind = why.kindCalled(kinds, word);
    const root = await find(client, kind, called, flags.namespace);
    const { things, more } = await why.relatedTo(client, kinds, root, podLimit);
    const { steps, events } = await why.timelineOf(client, things);
    const waits = why.waitsOf(things, events);
    if (flags.output === 'json') out(JSON.stringify(documentOf(root, steps, waits), null, 2));
    else print(root, steps, waits, more);
  } finally {
    client.close();
  }
}

function targetOf(target: string, name: string | undefined): { word: string; called: string } {
  const [word = '', called = name, ...rest] = target.split('/');
  if (!word || !called || rest.length > 0 || (target.includes('/') && name !== undefined))
    throw new UsageError(
      `"${[target, name].filter(Boolean).join(' ')}" names no object: KIND/NAME, as in "glass why deployment/hello"`,
    );
  return { word, called };
}

function kubeconfigOf({ kubeconfig, dataDir }: WhyFlags): string {
  if (kubeconfig !== undefined) return kubeconfig;
  const places = placesOf(dataDir);
  if (readRun(places) === undefined)
    throw new Failure(
      `no cluster runs from ${places.root}: start one with "glass up", or name another with --kubeconfig`,
    );
  return places.kubeconfig;
}

/** What is gone is found for as long as the server remembers it. */
async function find(
  client: HttpsClient,
  kind: ReturnType<typeof why.kindCalled>,
  name: string,
  namespace: string,
): Promise<why.Thing> {
  const where = kind.namespaced ? namespace : undefined;
  const object = await why.getOrNone(client, kind, where, name);
  if (object !== undefined) return why.thingOf(kind, object);
  const title = why.titleOf(kind, name);
  const gone = { kind, namespace: where, name, uid: '', title, object: undefined };
  const { versions } = await why.historyOf(client, gone);
  const last = versions.at(-1);
  if (last === undefined)
    throw new Failure(
      `there is no ${title}${where === undefined ? '' : ` in namespace ${where}`}: "kubectl get ${kind.resource}${kind.namespaced ? ' -A' : ''}" shows what there is`,
    );
  return { ...gone, uid: last.object.metadata.uid ?? '' };
}

function print(root: why.Thing, steps: readonly why.Step[], waits: readonly why.Wait[], more: number): void {
  const [first] = steps;
  const start = first?.at ?? 0;
  const where = root.namespace === undefined ? '' : ` in namespace ${root.namespace}`;
  out(bold(`${root.title}${where}${first ? `, from ${new Date(start).toISOString().replace('T', ' ')} on` : ''}`));
  const rows = steps.map(({ at, coarse, object, what, who, bad }, i) => [
    `${coarse ? '~' : ''}${i === 0 ? '0 ms' : why.duration(at - start)}`.padStart(9),
    object,
    who,
    bad ? red(what) : what,
  ]);
  if (rows.length > 0) out(table(rows));
  if (more > 0) out(dim(`and ${more} more ${more === 1 ? 'pod' : 'pods'}: --pods ${more + 10} shows them`));
  out('');
  if (root.object === undefined) out(`${root.title} is gone`);
  else if (waits.length === 0) out('nothing is waited for');
  for (const { object, what } of waits) out(`${bold(object)} ${what}`);
}

function documentOf(root: why.Thing, steps: readonly why.Step[], waits: readonly why.Wait[]) {
  return {
    object: root.title,
    ...(root.namespace !== undefined && { namespace: root.namespace }),
    exists: root.object !== undefined,
    steps: steps.map(({ at, coarse, object, what, who, bad }) => ({
      time: new Date(at).toISOString(),
      ...(coarse && { precision: 'second' }),
      object,
      ...(who && { who }),
      what,
      ...(bad && { problem: true }),
    })),
    waitingFor: waits,
  };
}
