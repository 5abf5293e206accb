/** What a pod's status says of its scheduling: what `kubectl describe` and autoscalers read. */
import { type Pod, pods } from '../api/index.ts';
import type { Client, Log } from '../client/index.ts';
import { type Clock, formatTime, isStatusError } from '../machinery/index.ts';

export interface PodStatusOptions {
  client: Client;
  clock: Clock;
  signal: AbortSignal;
  log: Log;
}

export class PodStatus {
  readonly #options: PodStatusOptions;

  constructor(options: PodStatusOptions) {
    this.#options = options;
  }

  /** `nominatedNode`: '' takes it back, undefined leaves it. Never rejects. */
  async write(pod: Pod, reason: string, message: string, nominatedNode: string | undefined): Promise<void> {
    const { client, clock, signal, log } = this.#options;
    const known = pod.status?.conditions?.find((one) => one.type === 'PodScheduled');
    const told = known?.status === 'False' && known.message === message && known.reason === reason;
    const moved = nominatedNode !== undefined && (pod.status?.nominatedNodeName ?? '') !== nominatedNode;
    if (told && !moved) return;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      observedGeneration: pod.metadata.generation,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : formatTime(clock.now()),
    };
    const status = { conditions: [condition], ...(moved && { nominatedNodeName: nominatedNode || null }) };
    const ref = { name: pod.metadata.name!, namespace: pod.metadata.namespace! };
    try {
      const body = { metadata: { uid: pod.metadata.uid }, status };
      await client.patch(pods, ref, { type: 'strategic', body }, { subresource: 'status' });
    } catch (err) {
      if (isStatusError(err, 'NotFound', 'Conflict') || signal.aborted) return;
      log.warn({ err, pod: `${ref.namespace}/${ref.name}` }, 'the reason could not be written to the pod');
    }
  }
}
