/** What the present state of an object tells of its past, for as much of it as no server remembers. Whole seconds. */
import type { AnyObject } from '../../machinery/index.ts';
import { conditionOf, wordsOf } from './conditions.ts';
import type { Fact } from './fact.ts';
import { podFacts } from './podfacts.ts';
import { shortened } from './words.ts';

export interface Recollection extends Fact {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly who: string;
}

export function recollected(object: AnyObject): Recollection[] {
  const { metadata } = object;
  const found: Recollection[] = [];
  const tell = (time: string | null | undefined, what: string, who: string, bad = false) => {
    const at = Date.parse(time ?? '');
    if (!Number.isNaN(at)) found.push({ at, what, who, ...(bad && { bad }) });
  };
  const managers = (metadata.managedFields ?? []).toSorted((a, b) => (a.time ?? '').localeCompare(b.time ?? ''));
  tell(metadata.creationTimestamp, 'created', managers.find(({ subresource }) => !subresource)?.manager ?? '');
  for (const { manager = '', time, subresource } of managers)
    if (!subresource && time !== metadata.creationTimestamp) tell(time, 'changed', manager);
  if (object.kind === 'Pod' && object.apiVersion === 'v1') rememberPod(object, tell);
  else
    for (const condition of object.status?.conditions ?? [])
      tell(condition.lastTransitionTime, shortened(wordsOf(condition), 200), '');
  if (metadata.deletionTimestamp) tell(metadata.deletionTimestamp, 'had to be gone', '');
  return found;
}

type Tell = (time: string | null | undefined, what: string, who: string, bad?: boolean) => void;

function rememberPod({ spec, status = {} }: AnyObject, tell: Tell): void {
  const timeOf = (type: string) => (conditionOf(status, type) as { lastTransitionTime?: string })?.lastTransitionTime;
  const scheduled = conditionOf(status, 'PodScheduled');
  if (scheduled?.status === 'True') tell(timeOf('PodScheduled'), `bound to node ${spec.nodeName}`, '');
  else if (scheduled) tell(timeOf('PodScheduled'), `not scheduled: ${scheduled.message ?? ''}`, '', true);
  for (const list of ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'])
    for (const one of status[list] ?? []) {
      for (const state of [one.lastState, one.state])
        for (const { what, bad } of podFacts({}, { status: { [list]: [{ ...one, state }] } } as unknown as AnyObject))
          tell(state?.running?.startedAt ?? state?.terminated?.finishedAt, what, 'kubelet', bad);
    }
  const ready = conditionOf(status, 'Ready');
  if (ready) tell(timeOf('Ready'), ready.status === 'True' ? 'ready' : 'not ready', 'kubelet', ready.status !== 'True');
}
