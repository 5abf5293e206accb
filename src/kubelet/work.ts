/** One pod's work, as its steps see it. `podworker.ts` is behind it. */
import type { Backoff } from './backoff.ts';
import type { PodFacts } from './downward.ts';
import type { Container, Pod, Service } from './kinds.ts';
import type { Context } from './options.ts';
import type { PodProbes } from './probes/index.ts';
import type { Sources } from './sources.ts';
import type { Tokens } from './tokens.ts';
import type { PodTruth } from './truth.ts';

/** What all pods of the node share. */
export interface Shared {
  readonly context: Context;
  readonly sources: Sources;
  readonly tokens: Tokens;
  /** Back-off of image pulls, by pod and image. */
  readonly pullBackoff: Backoff;
  /** Bytes of memory of the machine. */
  readonly memory: number;
  allocatable(): Record<string, string>;
  /** Rejects until Services have been read once. */
  services(): Promise<Iterable<Service>>;
  /** The pods that the node has let in and not yet ended, but for this one. */
  otherPods(uid: string): Pod[];
  nodeLabels(): Record<string, string>;
}

export interface MountedVolume {
  path: string;
  readOnly: boolean;
  /** Nothing in it is started as a program. */
  noExec?: boolean;
}

export interface Work {
  readonly shared: Shared;
  readonly uid: string;
  pod: Pod;
  truth: PodTruth;
  readonly probes: PodProbes;
  readonly crashBackoff: Backoff;
  readonly volumeBackoff: Backoff;
  /** Why a container does not run, by its name. */
  readonly waiting: Map<string, { reason: string; message: string }>;
  /** Containers whose postStart hook is at work, by id. */
  readonly hooking: Set<string>;
  readonly volumes: Map<string, MountedVolume>;
  /** What volumes are made of may have changed since they were written. */
  volumesStale: boolean;
  /** When something in a volume (a token) has to be renewed, milliseconds since the epoch. */
  volumesDueAt: number;
  admitted: boolean;
  /** Aborted once this pod is to end: nothing new is begun. */
  readonly signal: AbortSignal;
  /** Aborted when the time that the pod had for its end was cut short. */
  readonly killSignal: AbortSignal | undefined;
  facts(): PodFacts;
  /** When the node took the pod on, milliseconds since the epoch; undefined before that was told. */
  startTime(): number | undefined;
  /** Reads one container again, or lets it go when it is no more. */
  touchContainer(id: string): Promise<void>;
  touchSandbox(id: string): Promise<void>;
  /** Tells the API what is true now. */
  publish(): void;
  /** Comes back at once after this pass. */
  again(): void;
  /** Comes back at this time (milliseconds since the epoch) at the latest. */
  wakeAt(time: number): void;
  /** Ends the pod for good: its phase becomes Failed with this reason. */
  fail(reason: string, message: string): void;
  /** Ends what is left of a pod whose containers are done. */
  finish(): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string, container?: Container): void;
}

/** `go` on with the next step, or `wait`: the rest comes when this pod is woken again. */
export type Outcome = 'go' | 'wait';

export interface Step {
  readonly name: string;
  run(work: Work): Promise<Outcome>;
}

export const podDirectory = (work: { shared: Shared; uid: string }): string =>
  `${work.shared.context.directory}/pods/${work.uid}`;

export function podLogDirectory(directory: string, pod: Pod): string {
  return `${directory}/logs/pods/${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`;
}
