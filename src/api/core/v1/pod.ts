import type { Override } from '../../override.ts';
import type { Pod } from '../../gen/types.ts';
import { podColumns } from './podcolumns.ts';
import { defaultPodSpec } from './podspec.ts';
import { defaultPodResources } from './podresources.ts';
import { pairAddresses } from './podstatus.ts';
import { validatePod } from './podvalidation.ts';

export const pod: Override<Pod> = {
  countsGenerations: true,
  selectableFields: {
    'spec.nodeName': (object) => object.spec.nodeName ?? '',
    'spec.restartPolicy': (object) => object.spec.restartPolicy ?? '',
    'spec.schedulerName': (object) => object.spec.schedulerName ?? '',
    'spec.serviceAccountName': (object) => object.spec.serviceAccountName ?? '',
    'spec.hostNetwork': (object) => String(object.spec.hostNetwork ?? false),
    'status.phase': (object) => object.status?.phase ?? '',
    'status.podIP': (object) => object.status?.podIP ?? '',
    'status.nominatedNodeName': (object) => object.status?.nominatedNodeName ?? '',
  },
  default(object) {
    const { spec } = object;
    pairAddresses(object.status);
    defaultPodSpec(spec);
    defaultPodResources(spec);
    spec.enableServiceLinks ??= true;
    // Both names are kept, for clients of either.
    const name = spec.serviceAccountName || spec.serviceAccount;
    if (name && spec.serviceAccount !== name) spec.serviceAccount = name;
    if (name && spec.serviceAccountName !== name) spec.serviceAccountName = name;
  },
  prepare(object, old) {
    if (old) return;
    object.status = { phase: 'Pending', qosClass: qosClass(object) };
    if ((object.spec.schedulingGates?.length ?? 0) > 0)
      object.status.conditions = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
        },
      ];
  },
  validate: validatePod,
  columns: podColumns,
};

type QosClass = NonNullable<NonNullable<Pod['status']>['qosClass']>;

/** Guaranteed: every container has cpu and memory limits and requests equal to them; BestEffort: none asks for anything. */
export function qosClass({ spec }: Pod): QosClass {
  const lists = spec.resources
    ? [spec.resources]
    : [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map((c) => c.resources ?? {});
  const counted = ['cpu', 'memory'];
  const asks = lists.some(({ limits = {}, requests = {} }) =>
    counted.some((name) => isAmount(limits[name]) || isAmount(requests[name])),
  );
  if (!asks) return 'BestEffort';
  const guaranteed = lists.every(({ limits = {}, requests = {} }) =>
    counted.every(
      (name) => isAmount(limits[name]) && (requests[name] === undefined || requests[name] === limits[name]),
    ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const isAmount = (amount: string | undefined) => amount !== undefined && amount !== '0';
