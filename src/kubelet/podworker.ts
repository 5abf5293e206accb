/**
 * One pod of this node, for as long as anything of it is here. It is woken whenever something may have changed, looks at
 * what is wanted and what there is, and does what is missing, one pass at a time.
 */
import { Backoff } from './backoff.ts';
import type { PodFacts } from './downward.ts';
import type { Container, Pod, PodStatus } from './kinds.ts';
import { pods } from './kinds.ts';
import { killPod, podGrace } from './kill.ts';
import { lastWords } from './lastwords.ts';
import { removePod } from './leftovers.ts';
import { hostIPs } from './options.ts';
import { findContainer } from './plan.ts';
import { PodProbes } from './probes/index.ts';
import { isStatusError, type Timer } from '../machinery/index.ts';
import { podStatus } from './status.ts';
import { StatusWriter } from './statuswriter.ts';
import { podSteps } from './steps/index.ts';
import { type PodTruth, anyRunning, sortTruth } from './truth.ts';
import { tearDownVolumes } from './volumes/index.ts';
import type { MountedVolume, Shared, Work } from './work.ts';

/** Longest wait between tries after an error of our own, in milliseconds. */
const longestRetry = 60_000;

export class PodWorker implements Work {
  readonly shared: Shared;
  readonly uid: string;
  readonly probes: PodProbes;
  readonly crashBackoff: Backoff;
  readonly volumeBackoff: Backoff;
  readonly waiting = new Map<string, { reason: string; message: string }>();
  readonly hooking = new Set<string>();
  readonly volumes = new Map<string, MountedVolume>();
  pod: Pod;
  truth: PodTruth;
  volumesStale = false;
  volumesDueAt = Number.POSITIVE_INFINITY;
  admitted = false;
  killSignal: AbortSignal | undefined;

  readonly #messages = new Map<string, string>();
  readonly #writer: StatusWriter;
  readonly #onGone: () => void;
  #status: PodStatus;
  #verdict: { reason: string; message: string } | undefined;
  #syncing = new AbortController();
  #killing = new AbortController();
  #grace: number | undefined;
  #finishing = false;
  #ended = false;
  #absent = false;
  #stopped = false;
  #dirty = false;
  #loop: Promise<void> | undefined;
  #timer: { at: number; timer: Timer } | undefined;
  #failures = 0;
  /** Of a pod that has not run yet, on the clock that only goes forward. */
  #seenAt: number | undefined;

  /** `onGone` is called once nothing of the pod is left here. */
  constructor(shared: Shared, pod: Pod, truth: PodTruth, onGone: () => void) {
    const { clock, client, log, runtime, random } = shared.context;
    this.shared = shared;
    this.pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.truth = truth;
    if (truth.containers.length === 0) this.#seenAt = clock.monotonic();
    this.#status = pod.status ?? {};
    this.#onGone = onGone;
    this.#writer = new StatusWriter(client, clock, log);
    this.crashBackoff = new Backoff(clock);
    this.volumeBackoff = new Backoff(clock, 500, 122_000);
    this.probes = new PodProbes({
      target: (container, containerId) => ({
        runtime,
        clock,
        container,
        containerId,
        host: this.facts().podIPs[0] ?? '127.0.0.1',
      }),
      chance: () => random.next(),
      onChange: () => {
        this.publish();
        this.wake();
      },
      onUnhealthy: (container, type, output) =>
        this.event(
          'Warning',
          'Unhealthy',
          `${type[0]?.toUpperCase()}${type.slice(1)} probe failed: ${output}`,
          container,
        ),
    });
    for (const container of truth.containers) this.#follow(container.id, true);
  }

  get signal(): AbortSignal {
    return this.#syncing.signal;
  }

  get status(): PodStatus {
    return this.#status;
  }

  /** Takes resources of the node: let in and not yet ended. */
  get active(): boolean {
    return this.admitted && !this.#ended;
  }

  /** Something may have changed: looks again soon. */
  wake(): void {
    this.#dirty = true;
    this.#loop ??= this.#run().finally(() => {
      this.#loop = undefined;
      if (this.#dirty && !this.#stopped) this.wake();
    });
  }

  again(): void {
    this.#dirty = true;
  }

  wakeAt(time: number): void {
    if (this.#stopped || (this.#timer && this.#timer.at <= time)) return;
    this.#timer?.timer.cancel();
    const { clock } = this.shared.context;
    const timer = clock.after(Math.max(0, time - clock.now()), () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { at: time, timer };
  }

  /** The API's object, as it is now. */
  update(pod: Pod): void {
    const before = this.pod;
    this.pod = pod;
    const { labels, annotations, deletionTimestamp } = pod.metadata;
    if (
      JSON.stringify([labels, annotations]) !== JSON.stringify([before.metadata.labels, before.metadata.annotations])
    ) {
      this.volumesStale = true;
    }
    if (deletionTimestamp !== undefined) this.#endWithin(podGrace(pod));
    this.publish();
    this.wake();
  }

  /** The API has no such pod any more: what is left of it is ended and removed. */
  removed(last?: Pod): void {
    if (last) this.pod = last;
    this.#absent = true;
    this.#writer.forget();
    this.#endWithin(podGrace(this.pod));
    this.wake();
  }

  fail(reason: string, message: string): void {
    this.#verdict ??= { reason, message };
    this.finish();
  }

  finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.#syncing.abort();
    this.#dirty = true;
  }

  startTime(): number | undefined {
    return this.#status.startTime ? Date.parse(this.#status.startTime) : undefined;
  }

  facts(): PodFacts {
    const { context, allocatable } = { context: this.shared.context, allocatable: this.shared.allocatable() };
    const host = hostIPs(context);
    const own = this.pod.spec?.hostNetwork ? host : (this.truth.sandboxes[0]?.ips ?? []);
    return { podIPs: own, hostIPs: host, allocatable };
  }

  event(type: 'Normal' | 'Warning', reason: string, message: string, container?: Container): void {
    const { name, namespace, uid, resourceVersion } = this.pod.metadata;
    const about = { apiVersion: 'v1', kind: 'Pod', name, namespace, uid, resourceVersion };
    const part = container && { fieldPath: fieldPath(this.pod, container) };
    this.shared.context.recorder.event({ ...about, ...part }, type, reason, message);
  }

  async touchContainer(id: string): Promise<void> {
    const status = await this.shared.context.runtime.containerStatus(id);
    const others = this.truth.containers.filter((each) => each.id !== id);
    if (status?.state === 'Exited' && !this.#messages.has(id)) this.#messages.set(id, await lastWords(status));
    if (!status) this.#messages.delete(id);
    this.truth = { ...this.truth, containers: status ? [...others, status] : others };
    sortTruth(this.truth);
    this.#follow(id, false);
    this.publish();
  }

  async touchSandbox(id: string): Promise<void> {
    const status = await this.shared.context.runtime.podSandboxStatus(id);
    const others = this.truth.sandboxes.filter((each) => each.id !== id);
    this.truth = { ...this.truth, sandboxes: status ? [...others, status] : others };
    sortTruth(this.truth);
  }

  /** Takes on what a full look at the runtime found; wakes when it differs from what was known. */
  async relist(truth: PodTruth): Promise<void> {
    const shape = (of: PodTruth) =>
      JSON.stringify([
        of.containers.map(({ id, state }) => [id, state]).toSorted(),
        of.sandboxes.map(({ id, state }) => [id, state]).toSorted(),
      ]);
    if (this.#loop || shape(truth) === shape(this.truth)) return;
    for (const { id } of [...truth.containers, ...this.truth.containers]) await this.touchContainer(id);
    for (const { id } of [...truth.sandboxes, ...this.truth.sandboxes]) await this.touchSandbox(id);
    this.wake();
  }

  publish(): void {
    if (this.#absent || this.#stopped) return;
    const { context } = this.shared;
    this.#status = podStatus({
      pod: this.pod,
      truth: this.truth,
      runtimeName: context.runtime.name,
      hostIPs: hostIPs(context),
      now: context.clock.now(),
      terminal: this.#terminating,
      verdict: this.#verdict,
      waiting: this.waiting,
      hooking: this.hooking,
      messages: this.#messages,
      started: (container, id) => this.probes.started(container, id),
      ready: (container, id) => this.probes.ready(container, id),
      before: { ...this.#status, conditions: mergeConditions(this.#status, this.pod.status) },
    });
    this.#writer.set(this.pod, this.#status);
    if (this.#seenAt === undefined || this.#status.phase !== 'Running') return;
    context.counts.podStart.observe((context.clock.monotonic() - this.#seenAt) / 1000);
    this.#seenAt = undefined;
  }

  /** Lets go of the pod; its containers go on running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dirty = false;
    this.#timer?.timer.cancel();
    this.#syncing.abort();
    this.probes.stop();
    await this.#writer.close();
  }

  get #terminating(): boolean {
    return this.#absent || this.#finishing || this.pod.metadata.deletionTimestamp !== undefined;
  }

  /** Begins the pod's end, or cuts it short when there is less time than before. */
  #endWithin(grace: number): void {
    this.#syncing.abort();
    this.probes.ending();
    const before = this.#grace;
    this.#grace = grace;
    if (before === undefined || grace >= before) return;
    this.#killing.abort();
    this.#killing = new AbortController();
    const { runtime } = this.shared.context;
    for (const { id, state } of this.truth.containers) {
      if (state === 'Running') void runtime.stopContainer(id, grace * 1000).catch(() => {});
    }
  }

  /** Probes begin with a container and end with it. */
  #follow(id: string, found: boolean): void {
    const status = this.truth.containers.find((each) => each.id === id);
    if (status?.state !== 'Running') return this.probes.end(id);
    const container = findContainer(this.pod, status.metadata.name);
    if (!container || this.probes.has(id)) return;
    const { containerStatuses = [], initContainerStatuses = [] } = this.#status;
    const told = [...containerStatuses, ...initContainerStatuses].find(({ containerID }) =>
      containerID?.endsWith(`//${id}`),
    );
    const before = { started: told?.started ?? false, ready: told?.ready ?? false };
    this.probes.begin(container, id, status.startedAt, found ? before : undefined);
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      const counted = this.shared.context.counts.work(this.#terminating ? 'terminating' : 'sync');
      try {
        if (this.#terminating) await this.#end();
        else await this.#sync();
        this.#failures = 0;
      } catch (error) {
        this.#retryAfter(error as Error);
      } finally {
        counted();
      }
    }
  }

  #retryAfter(error: Error): void {
    if (this.#stopped) return;
    if (this.#syncing.signal.aborted && !this.#ended && this.#failures === 0) this.#dirty = true;
    const { clock, log } = this.shared.context;
    const wait = Math.min(longestRetry, 500 * 2 ** this.#failures++);
    log.error(
      { pod: this.pod.metadata.name, uid: this.uid, error: error.stack },
      'a pass over a pod failed; trying again',
    );
    this.wakeAt(clock.now() + wait);
  }

  async #sync(): Promise<void> {
    const { phase } = this.pod.status ?? {};
    if (phase === 'Succeeded' || phase === 'Failed') return this.finish();
    if (this.#syncing.signal.aborted) this.#syncing = new AbortController();
    for (const step of podSteps) {
      if ((await step.run(this)) === 'wait' || this.signal.aborted) break;
    }
    this.publish();
  }

  async #end(): Promise<void> {
    this.probes.ending();
    if (!this.#ended) await this.#endContainers();
    this.publish();
    if (this.#absent) return this.#forget();
    await this.#writer.flush();
    if (this.pod.metadata.deletionTimestamp !== undefined) await this.#delete();
  }

  async #endContainers(): Promise<void> {
    const { runtime } = this.shared.context;
    this.killSignal = this.#killing.signal;
    this.publish();
    await killPod(this, () => this.#grace ?? podGrace(this.pod));
    for (const { id, state } of this.truth.sandboxes) {
      if (state === 'Ready') await runtime.stopPodSandbox(id);
      await this.touchSandbox(id);
    }
    for (const { id, state } of this.truth.containers) if (state !== 'Exited') await this.touchContainer(id);
    if (anyRunning(this.truth)) throw new Error('some containers still run after the pod was stopped');
    this.probes.stop();
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    this.#ended = true;
    this.volumes.clear();
    this.shared.sources.release(this.uid);
    this.shared.tokens.release(this.uid);
    await tearDownVolumes(this.shared.context, this.uid);
  }

  async #delete(): Promise<void> {
    const { name = '', namespace } = this.pod.metadata;
    try {
      await this.shared.context.client.delete(
        pods,
        { name, namespace },
        { gracePeriodSeconds: 0, preconditions: { uid: this.uid } },
      );
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      this.removed();
    }
  }

  async #forget(): Promise<void> {
    await removePod(this);
    this.#stopped = true;
    this.#onGone();
  }
}

/** Conditions that others own come from the API, ours from what we told last. */
function mergeConditions(ours: PodStatus, theirs: PodStatus | undefined): PodStatus['conditions'] {
  const told = ours.conditions ?? [];
  const own = new Set(told.map(({ type }) => type));
  return [...told, ...(theirs?.conditions ?? []).filter(({ type }) => !own.has(type))];
}

function fieldPath(pod: Pod, container: Container): string {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const has = (list: { name: string }[]) => list.some(({ name }) => name === container.name);
  const list = has(initContainers) ? 'initContainers' : has(ephemeralContainers) ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${container.name}}`;
}
