/** One pod on every node where it belongs. */
import { controllerRevisions, type DaemonSet, daemonSets, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import type { Controller, ReconcileContext } from '../../client/index.ts';
import { equalJson, isStatusError, keyOf, labelSelectorAsSelector } from '../../machinery/index.ts';
import { claim, refOf } from '../claim.ts';
import { type History, historyOf, revisionHashLabel, trimHistory } from '../history.ts';
import { availableIn, isReady } from '../pods.ts';
import { belongs, daemonPodFor } from './nodes.ts';
import { byNode, planFor } from './plan.ts';

/** One pass makes or ends at most so many. */
const burst = 250;
/** After a pod has failed, the next one waits so long. */
const failureDelay = 1_000;
const longestDelay = 900_000;

export function daemonSetController(): Controller<DaemonSet> {
  /** How often pods have failed in a row, by set and node, and until when the next one waits. */
  const failures = new Map<string, { count: number; until: number }>();
  return {
    name: 'daemonset-controller',
    account: 'daemon-set-controller',
    for: daemonSets,
    owns: [pods],
    reads: [controllerRevisions],
    watches: [
      { resource: pods, keys: orphansOwners },
      {
        resource: nodes,
        when: (old: Node | undefined, node: Node | undefined) =>
          old === undefined || node === undefined || !equalJson(placeOf(old), placeOf(node)),
        keys: (_node, { lister }) => lister<DaemonSet>(daemonSets).list().map(keyOf),
      },
    ],
    async reconcile(key, context) {
      const set = context.lister(daemonSets).get(key);
      if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
      const selector = labelSelectorAsSelector(set.spec!.selector);
      const history = await historyOf(context, daemonSets, set, selector);
      if (history === undefined) return countCollision(set, context);
      const mine = await claim<Pod>(context, daemonSets, set, selector, pods);
      const hash = history.update.metadata.labels![revisionHashLabel]!;
      const all = context.lister<Node>(nodes).list();
      const now = context.clock.now();
      const plan = planFor(set, all, mine, hash, now);
      note(failures, set, mine, now);
      const wait = (node: string) => (failures.get(`${set.metadata.uid} ${node}`)?.until ?? 0) - now;
      const ready = plan.create.filter((node) => wait(node) <= 0).slice(0, burst);
      const failure = await act(set, ready, plan.delete.slice(0, burst), hash, context);
      const soonest = await writeStatus(set, all, hash, context);
      await trim(set, history, context);
      if (failure !== undefined) throw failure;
      const next = Math.min(soonest, ...plan.create.map(wait).filter((left) => left > 0));
      return Number.isFinite(next) ? { requeueAfter: next } : {};
    },
  };
}

function placeOf({ metadata, spec }: Node): unknown {
  return { labels: metadata.labels, taints: spec?.taints };
}

function orphansOwners(pod: Pod, { lister }: ReconcileContext): string[] {
  if (pod.metadata.ownerReferences?.some((one) => one.controller === true)) return [];
  return lister<DaemonSet>(daemonSets)
    .list({ namespace: pod.metadata.namespace })
    .filter(({ spec }) => labelSelectorAsSelector(spec!.selector).matches(pod.metadata.labels))
    .map(keyOf);
}

/** Counts each pod that failed once: it is deleted in the same pass. A pod that is ready wipes the slate. */
function note(
  failures: Map<string, { count: number; until: number }>,
  set: DaemonSet,
  mine: readonly Pod[],
  now: number,
): void {
  for (const [node, here] of byNode(mine)) {
    const id = `${set.metadata.uid} ${node}`;
    if (here.some(isReady)) failures.delete(id);
    if (!here.some(({ status, metadata }) => status?.phase === 'Failed' && metadata.deletionTimestamp === undefined))
      continue;
    const count = (failures.get(id)?.count ?? 0) + 1;
    failures.set(id, { count, until: now + Math.min(longestDelay, failureDelay * 2 ** (count - 1)) });
  }
}

async function countCollision(set: DaemonSet, { client }: ReconcileContext): Promise<void> {
  const {
    currentNumberScheduled = 0,
    desiredNumberScheduled = 0,
    numberMisscheduled = 0,
    numberReady = 0,
  } = set.status ?? {};
  const counts = { currentNumberScheduled, desiredNumberScheduled, numberMisscheduled, numberReady };
  const status = { ...set.status, ...counts, collisionCount: (set.status?.collisionCount ?? 0) + 1 };
  await client.update<DaemonSet>(daemonSets, { ...set, status }, { subresource: 'status' });
}

/** Returns the first failure, after all was tried. */
async function act(
  set: DaemonSet,
  create: readonly string[],
  end: readonly Pod[],
  hash: string,
  { client, events }: ReconcileContext,
): Promise<Error | undefined> {
  const made = create.map(async (node) => {
    const pod = await client.create<Pod>(pods, daemonPodFor(set, hash, node));
    events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
  });
  const ended = end.map(async (pod) => {
    const { name, namespace, uid } = pod.metadata;
    if (pod.status?.phase === 'Failed')
      events.event(
        set,
        'Warning',
        'FailedDaemonPod',
        `Found failed daemon pod ${namespace}/${name} on node ${pod.spec.nodeName}, will try to kill it`,
      );
    if (pod.status?.phase === 'Succeeded')
      events.event(
        set,
        'Normal',
        'SucceededDaemonPod',
        `Found succeeded daemon pod ${namespace}/${name} on node ${pod.spec.nodeName}, will try to delete it`,
      );
    await client.delete(pods, refOf(pod), { preconditions: { uid: uid! } }).catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    });
    events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  });
  const failed = (await Promise.allSettled([...made, ...ended])).find((one) => one.status === 'rejected');
  const reason = failed?.reason as Error | undefined;
  const terminating =
    isStatusError(reason, 'Forbidden') && reason.details?.causes?.some((one) => one.reason === 'NamespaceTerminating');
  if (reason === undefined || terminating) return undefined;
  events.event(set, 'Warning', 'FailedCreate', `Error creating: ${reason.message}`);
  return reason;
}

/** Returns in how many milliseconds the next pod becomes available. */
async function writeStatus(
  set: DaemonSet,
  all: readonly Node[],
  hash: string,
  { client, clock, lister }: ReconcileContext,
): Promise<number> {
  const places = byNode(
    lister<Pod>(pods)
      .controlledBy(set.metadata.uid!)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined),
  );
  const status = {
    observedGeneration: set.metadata.generation,
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    updatedNumberScheduled: 0,
    numberAvailable: 0,
    numberUnavailable: 0,
  };
  let soonest = Number.POSITIVE_INFINITY;
  for (const node of all) {
    const here = places.get(node.metadata.name!) ?? [];
    if (!belongs(set, node).runs) {
      if (here.length > 0) status.numberMisscheduled++;
      continue;
    }
    status.desiredNumberScheduled++;
    if (here.length > 0) status.currentNumberScheduled++;
    if (here.some(isReady)) status.numberReady++;
    const waits = here.map((pod) => availableIn(pod, set.spec!.minReadySeconds ?? 0, clock.now()));
    if (waits.includes(0)) status.numberAvailable++;
    else soonest = Math.min(soonest, ...waits);
    if (here.some(({ metadata }) => metadata.labels?.[revisionHashLabel] === hash)) status.updatedNumberScheduled++;
  }
  status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable;
  const { collisionCount, conditions } = set.status ?? {};
  const after = { ...status, ...(collisionCount && { collisionCount }), ...(conditions && { conditions }) };
  if (!equalJson(withoutZeros(after), withoutZeros(set.status ?? {})) || set.status?.observedGeneration === undefined)
    await client
      .update<DaemonSet>(daemonSets, { ...set, status: after }, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound')) throw error;
      });
  return soonest;
}

function withoutZeros(status: object): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0 && value !== undefined));
}

async function trim(set: DaemonSet, { update, all }: History, context: ReconcileContext): Promise<void> {
  const used = new Set(
    context
      .lister<Pod>(pods)
      .controlledBy(set.metadata.uid!)
      .map(({ metadata }) => metadata.labels?.[revisionHashLabel]),
  );
  used.add(update.metadata.labels![revisionHashLabel]);
  await trimHistory(context, set, all, ({ metadata }) => used.has(metadata.labels?.[revisionHashLabel]));
}
