/** What ended containers and pods leave behind, and when it goes. */
import { rm } from 'node:fs/promises';
import { annotation } from './labels.ts';
import { tearDownVolumes } from './volumes/index.ts';
import { type Work, podDirectory, podLogDirectory } from './work.ts';

/** Ended containers kept for each name, beside the one that runs: for `lastState` and `logs --previous`. */
const keptPerContainer = 1;

export async function removeOldContainers(work: Work): Promise<void> {
  const { runtime } = work.shared.context;
  const seen = new Map<string, number>();
  for (const container of work.truth.containers) {
    const count = seen.get(container.metadata.name) ?? 0;
    seen.set(container.metadata.name, count + 1);
    if (count <= keptPerContainer || container.state === 'Running') continue;
    await runtime.removeContainer(container.id);
    await rm(container.logPath, { force: true });
    const words = container.annotations[annotation.terminationLog];
    if (words) await rm(words, { force: true });
    await work.touchContainer(container.id);
  }
  for (const old of work.truth.sandboxes.slice(1)) {
    if (work.truth.containers.some(({ sandboxId }) => sandboxId === old.id)) continue;
    await runtime.removePodSandbox(old.id);
    await work.touchSandbox(old.id);
  }
}

/** The pod is gone from the API, and nothing of it runs: all of it goes. */
export async function removePod(work: Work): Promise<void> {
  const { context } = work.shared;
  for (const container of work.truth.containers) await context.runtime.removeContainer(container.id);
  for (const sandbox of work.truth.sandboxes) await context.runtime.removePodSandbox(sandbox.id);
  work.truth = { sandboxes: [], containers: [] };
  await tearDownVolumes(context, work.uid);
  await rm(podDirectory(work), { recursive: true, force: true });
  await rm(podLogDirectory(context.directory, work.pod), { recursive: true, force: true });
}
