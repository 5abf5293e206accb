/** The pods of one simulated node: looks at what is asked for and at what runs, and does the next step. May be repeated at any time. */
import { type Pod, pods, type PodStatus } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, formatTime, isStatusError, type Random } from '../../machinery/index.ts';
import type { Addresses } from './addresses.ts';
import { Machine, type Observer, type Running, type Timings } from './machine.ts';
import { endedStatus, runningStatus } from './status.ts';

/** Milliseconds; doubles with every restart of a container, as the kubelet's. */
const firstBackoff = 10_000;
const longestBackoff = 300_000;
/** Milliseconds until a write that failed is tried again. */
const retryAfter = 1_000;
const lookAgainAfter = 20;

export interface AgentOptions {
  name: string;
  address: string;
  addresses: Addresses;
  timings: Timings;
  client: Client;
  clock: Clock;
  random: Random;
  observer: Observer;
  /** The pod as the API has it, if this node is told such things at the moment. */
  find(uid: string): Pod | undefined;
}

export class PodAgent {
  readonly machine: Machine;
  readonly #options: AgentOptions;
  /** Pods with a write under way. */
  readonly #busy = new Set<string>();
  /** A node that is cut off neither hears nor tells, while what runs goes on. */
  connected = true;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { name, clock, random, addresses, timings, observer } = options;
    const changed = ({ pod }: Running) => this.look(pod.metadata.uid!);
    this.machine = new Machine({ name, clock, random, addresses, timings, observer, changed });
  }

  look(uid: string): void {
    if (!this.connected || this.#busy.has(uid)) return;
    const running = this.machine.get(uid);
    const pod = this.#options.find(uid);
    if (pod === undefined) return running && this.machine.forget(running);
    if (isOver(pod)) {
      if (running) this.machine.forget(running);
      if (pod.metadata.deletionTimestamp) this.#delete(pod);
    } else if (pod.metadata.deletionTimestamp) this.#end(pod, running);
    else this.#keep(pod, running);
  }

  #end(pod: Pod, running: Running | undefined): void {
    if (running === undefined || running.state === 'ended') return this.#delete(pod);
    running.pod = pod;
    this.machine.stop(running);
  }

  #keep(pod: Pod, running: Running | undefined): void {
    if (running === undefined) {
      const before = pod.status?.containerStatuses?.[0];
      if (pod.status?.phase === 'Running' && this.machine.wasNeverOff) this.machine.adopt(pod);
      else this.machine.start(pod, before ? before.restartCount + 1 : 0);
    } else if (running.state === 'running') this.#tellRunning(pod, running);
    else if (running.state === 'ended') this.#afterEnd(pod, running);
  }

  #tellRunning(pod: Pod, running: Running): void {
    const { phase, podIP, containerStatuses, conditions } = pod.status ?? {};
    // that its node was not heard of may have been held against it
    const isReady = conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
    const isThis = podIP === running.address && containerStatuses?.[0]?.restartCount === running.restarts;
    if (phase === 'Running' && isReady && isThis) return;
    const { clock, address } = this.#options;
    const at = { time: formatTime(clock.now()), address: running.address, hostAddress: address };
    this.#write(pod, runningStatus(pod, { ...at, restarts: running.restarts }));
  }

  #afterEnd(pod: Pod, running: Running): void {
    const { clock } = this.#options;
    const policy = pod.spec.restartPolicy ?? 'Always';
    const { exitCode, restarts } = running;
    if (policy === 'Never' || (policy === 'OnFailure' && exitCode === 0))
      return this.#write(pod, endedStatus(pod, { time: formatTime(clock.now()), exitCode }));
    running.state = 'starting';
    const pause = Math.min(firstBackoff * 2 ** restarts, longestBackoff);
    running.timer = clock.after(pause, () => this.machine.restart(running));
  }

  #write(pod: Pod, status: PodStatus): void {
    const { client } = this.#options;
    // a writer of the status says nothing of the rest
    const { managedFields: _, ...metadata } = pod.metadata;
    this.#do(pod, () => client.update(pods, { metadata, status } as Pod, { subresource: 'status' }));
  }

  #delete({ metadata }: Pod): void {
    // asked for already; whoever has a finalizer on it holds it
    if (metadata.deletionGracePeriodSeconds === 0) return;
    const { client } = this.#options;
    const ref = { name: metadata.name!, namespace: metadata.namespace };
    const preconditions = { uid: metadata.uid };
    this.#do({ metadata } as Pod, () => client.delete(pods, ref, { gracePeriodSeconds: 0, preconditions }));
  }

  #do({ metadata }: Pod, write: () => Promise<unknown>): void {
    const uid = metadata.uid!;
    this.#busy.add(uid);
    const again = () => {
      this.#busy.delete(uid);
      this.look(uid);
    };
    write().then(again, (error: unknown) => {
      // somebody else wrote, or it is gone: the watch brings it soon
      const soon = isStatusError(error, 'Conflict') || isStatusError(error, 'NotFound');
      this.#options.clock.after(soon ? lookAgainAfter : retryAfter, again);
    });
  }
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
