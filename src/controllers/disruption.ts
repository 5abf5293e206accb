import { type Pod, pods } from '../api/index.ts';
import type { ReconcileContext } from '../client/index.ts';
import { formatTime, isStatusError } from '../machinery/index.ts';
import { refOf } from './claim.ts';

export interface Disruption {
  /** Of the condition `DisruptionTarget`: why the cluster, and not its owner, ends the pod. */
  reason: string;
  message: string;
  /** The pod runs no more, wherever it was. */
  failed?: boolean;
  gracePeriodSeconds?: number;
}

/** Says on the pod why it is ended, then deletes it. That it is gone, or somebody else by now, is as good. */
export async function disrupt(
  pod: Pod,
  { reason, message, failed, gracePeriodSeconds }: Disruption,
  context: ReconcileContext,
): Promise<void> {
  const { client, clock } = context;
  const { uid } = pod.metadata;
  const { phase, conditions = [] } = pod.status ?? {};
  const ended = phase === 'Succeeded' || phase === 'Failed';
  try {
    if (!ended) {
      const told = {
        type: 'DisruptionTarget',
        status: 'True',
        reason,
        message,
        lastTransitionTime: formatTime(clock.now()),
      };
      const others = conditions.filter(({ type }) => type !== told.type);
      const status = { conditions: [...others, told], ...(failed && { phase: 'Failed' }) };
      await client.patch(
        pods,
        refOf(pod),
        { type: 'merge', body: { metadata: { uid }, status } },
        { subresource: 'status' },
      );
    }
    await client.delete(pods, refOf(pod), {
      preconditions: { uid: uid! },
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    });
  } catch (error) {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  }
}
