/**
 * Tells the API a pod's status: when it changed, or when somebody else has said otherwise (a node that is not heard of has its pods' readiness
 * taken away); one write at a time, the newest wins.
 */
import type { Client, Log } from '../client/index.ts';
import { type Clock, equalJson, isStatusError } from '../machinery/index.ts';
import { type Pod, type PodStatus, pods } from './kinds.ts';

const clearable = [
  'reason',
  'message',
  'podIP',
  'podIPs',
  'hostIP',
  'hostIPs',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
] as const;

export class StatusWriter {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Log;
  #written: PodStatus | undefined;
  /** What the API made of the last write, and at which revision. */
  #answered: { status: PodStatus; revision: number } | undefined;
  #next: { pod: Pod; status: PodStatus } | undefined;
  #writing: Promise<void> | undefined;
  #gone = false;
  readonly #closing = new AbortController();

  constructor(client: Client, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  set(pod: Pod, status: PodStatus): void {
    if (this.#gone) return;
    // compared with what the API has, from here on
    if (this.#isOverwritten(pod)) this.#written = undefined;
    if (!this.#next && equalJson(this.#written ?? ours(pod.status ?? {}), ours(status))) return;
    this.#next = { pod, status };
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  #isOverwritten(pod: Pod): boolean {
    const answered = this.#answered;
    if (answered === undefined || Number(pod.metadata.resourceVersion) <= answered.revision) return false;
    return !equalJson(answered.status, ours(pod.status ?? {}));
  }

  /** Resolves once everything that was set has been written, or the pod is gone. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Tries once more to write what is left, and then lets it be. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.flush();
  }

  /** The API's object is gone: nothing more is written. */
  forget(): void {
    this.#gone = true;
    this.#next = undefined;
  }

  async #write(): Promise<void> {
    let wait = 200;
    while (this.#next && !this.#gone) {
      const { pod, status } = this.#next;
      this.#next = undefined;
      if (this.#written && equalJson(this.#written, ours(status))) continue;
      try {
        await this.#patch(pod, status);
        this.#written = ours(status);
        wait = 200;
      } catch (error) {
        if (isStatusError(error, 'NotFound') || (isStatusError(error, 'Conflict') && /uid/i.test(error.message))) {
          this.forget();
          return;
        }
        this.#log.warn({ pod: pod.metadata.name, error: String(error) }, 'cannot write a pod status; trying again');
        if (this.#closing.signal.aborted) return;
        this.#next ??= { pod, status };
        await this.#clock.sleep(wait, this.#closing.signal).catch(() => {});
        wait = Math.min(wait * 2, 10_000);
      }
    }
  }

  async #patch(pod: Pod, status: PodStatus): Promise<void> {
    const { name = '', namespace, uid } = pod.metadata;
    const before = this.#written ?? pod.status ?? {};
    const body: Record<string, unknown> = { ...ours(status) };
    for (const field of clearable) if (status[field] === undefined && before[field] !== undefined) body[field] = null;
    if (status.conditions) body.conditions = clearedConditions(ours(status), before);
    for (const field of ['podIPs', 'hostIPs'] as const) {
      // These lists merge by address: what is no longer there has to be replaced outright.
      if (status[field] && before[field] && !equalJson(status[field], before[field])) {
        body[field] = [{ $patch: 'replace' }, ...status[field]];
      }
    }
    const answer = await this.#client.patch<Pod>(
      pods,
      { name, namespace },
      { type: 'strategic', body: { metadata: { uid }, status: body } },
      { subresource: 'status', fieldManager: 'kubelet' },
    );
    this.#answered = { status: ours(answer.status ?? {}), revision: Number(answer.metadata.resourceVersion) };
  }
}

/** Conditions merge field by field: what one no longer says has to be taken away by name. */
function clearedConditions({ conditions = [] }: PodStatus, before: PodStatus): object[] {
  return conditions.map((condition) => {
    const old = before.conditions?.find(({ type }) => type === condition.type);
    const gone = (['reason', 'message'] as const).filter(
      (field) => old?.[field] !== undefined && condition[field] === undefined,
    );
    return { ...condition, ...Object.fromEntries(gone.map((field) => [field, null])) };
  });
}

const kinds = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']);

/** Without the conditions that belong to others. */
function ours(status: PodStatus): PodStatus {
  if (!status.conditions) return status;
  return { ...status, conditions: status.conditions.filter(({ type }) => kinds.has(type)) };
}
