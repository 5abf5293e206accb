/** New requests and limits for a container that runs: given to its cgroup in place, without a restart. */
import type { Container } from './kinds.ts';
import { annotation } from './labels.ts';
import { findContainer } from './plan.ts';
import { containerResources } from './resources.ts';
import type { Work } from './work.ts';

/** What was given last, by container id; before that, what its annotation says it was created with. */
const given = new WeakMap<object, Map<string, string>>();

export async function resizeContainers(work: Work): Promise<void> {
  const { runtime, log } = work.shared.context;
  const known = given.get(work) ?? new Map<string, string>();
  given.set(work, known);
  for (const { id, state, metadata, annotations } of work.truth.containers) {
    const container = findContainer(work.pod, metadata.name);
    const created = annotations[annotation.resources];
    if (state !== 'Running' || !container || created === undefined) continue;
    const wanted = resourcesText(work, container);
    if (wanted === (known.get(id) ?? created)) continue;
    try {
      await runtime.updateContainerResources(id, JSON.parse(wanted));
      known.set(id, wanted);
      work.event('Normal', 'ResizeCompleted', `Pod resize completed: container ${metadata.name}`);
    } catch (error) {
      log.warn({ container: metadata.name, error: String(error) }, 'cannot resize a container');
      work.event('Warning', 'ResizeError', `Error resizing container ${metadata.name}: ${(error as Error).message}`);
      work.wakeAt(work.shared.context.clock.now() + 10_000);
    }
  }
}

export function resourcesText(work: Work, container: Container): string {
  return JSON.stringify(containerResources(work.pod, container, work.shared.memory));
}
