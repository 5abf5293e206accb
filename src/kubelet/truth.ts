/** What the runtime says is there, by pod: the only memory of containers that the agent trusts. */
import type { Container } from './kinds.ts';
import { annotation, label } from './labels.ts';
import type { ContainerStatus, Runtime, SandboxStatus } from './runtime/runtime.ts';

export interface PodTruth {
  /** Newest first. */
  sandboxes: SandboxStatus[];
  /** Newest first. */
  containers: ContainerStatus[];
}

export const nothing: PodTruth = { sandboxes: [], containers: [] };

/** The newest container of this name, in this sandbox when one is named. */
export function latest(truth: PodTruth, name: string, sandboxId?: string): ContainerStatus | undefined {
  return truth.containers.find(
    (container) => container.metadata.name === name && (sandboxId === undefined || container.sandboxId === sandboxId),
  );
}

/** The newest container of this name that ended, other than `than`. */
export function lastExited(
  truth: PodTruth,
  name: string,
  than: ContainerStatus | undefined,
): ContainerStatus | undefined {
  return truth.containers.find(
    (each) =>
      each.metadata.name === name &&
      each.id !== than?.id &&
      each.state === 'Exited' &&
      each.metadata.attempt < (than?.metadata.attempt ?? Infinity),
  );
}

export function readySandbox(truth: PodTruth): SandboxStatus | undefined {
  const [newest] = truth.sandboxes;
  return newest?.state === 'Ready' ? newest : undefined;
}

export function anyRunning(truth: PodTruth): boolean {
  return truth.containers.some(({ state }) => state === 'Running');
}

export function hashOf(container: ContainerStatus): string | undefined {
  return container.annotations[annotation.hash];
}

export function isRunning(truth: PodTruth, container: Container): boolean {
  return latest(truth, container.name)?.state === 'Running';
}

/** Everything the runtime holds, grouped by pod uid. */
export async function listTruth(runtime: Runtime): Promise<Map<string, PodTruth>> {
  const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()]);
  const pods = new Map<string, PodTruth>();
  const owners = new Map<string, PodTruth>();
  for (const sandbox of sandboxes) {
    const { uid } = sandbox.config.metadata;
    const truth = pods.get(uid) ?? { sandboxes: [], containers: [] };
    pods.set(uid, truth);
    owners.set(sandbox.id, truth);
    truth.sandboxes.push(sandbox);
  }
  for (const container of containers) {
    const uid = container.labels[label.podUid] ?? '';
    let truth = owners.get(container.sandboxId) ?? pods.get(uid);
    if (!truth) {
      truth = { sandboxes: [], containers: [] };
      pods.set(uid, truth);
    }
    truth.containers.push(container);
  }
  for (const truth of pods.values()) sortTruth(truth);
  return pods;
}

export function sortTruth(truth: PodTruth): void {
  truth.sandboxes.sort((a, b) => b.config.metadata.attempt - a.config.metadata.attempt || b.createdAt - a.createdAt);
  truth.containers.sort((a, b) => b.createdAt - a.createdAt || b.metadata.attempt - a.metadata.attempt);
}
