/** Whether a container that ended is started again: the container's own rules first, then its policy, then the pod's. */
import type { Container, Pod } from './kinds.ts';

export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    if (action !== 'Restart' || !exitCodes) continue;
    const named = (exitCodes.values ?? []).includes(exitCode);
    if (exitCodes.operator === 'In' ? named : !named) return true;
  }
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always';
  if (policy === 'Always') {
    const isInit = pod.spec?.initContainers?.some(({ name }) => name === container.name);
    // An init container of a pod that restarts always is done once it succeeded; only a sidecar runs again.
    return exitCode !== 0 || !isInit || container.restartPolicy === 'Always';
  }
  return policy === 'OnFailure' && exitCode !== 0;
}
