/** What a container may do, from the pod's and its own security context, and the image's user. */
import type { Container, Pod } from './kinds.ts';
import type { SecurityConfig } from './runtime/runtime.ts';
import type { Image } from './runtime/services.ts';

type User = Pick<SecurityConfig, 'runAsUser' | 'runAsUserName' | 'runAsGroup'>;

/** Throws when the pod forbids root and the container would be root. */
export function securityOf(pod: Pod, container: Container, image: Image): SecurityConfig {
  const outer = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = userOf(image, own.runAsUser ?? outer.runAsUser, own.runAsGroup ?? outer.runAsGroup);
  if (own.runAsNonRoot ?? outer.runAsNonRoot) refuseRoot(own.runAsUser ?? outer.runAsUser, image, container, pod);
  const groups = [...(outer.supplementalGroups ?? []), ...(outer.fsGroup === undefined ? [] : [outer.fsGroup])];
  const profile = own.seccompProfile ?? outer.seccompProfile;
  return {
    ...user,
    ...(groups.length > 0 && { supplementalGroups: [...new Set(groups)] }),
    privileged: own.privileged ?? false,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    allowPrivilegeEscalation: own.allowPrivilegeEscalation ?? true,
    capabilities: { add: own.capabilities?.add ?? [], drop: own.capabilities?.drop ?? [] },
    ...(profile && { seccomp: { type: profile.type as 'Unconfined', localhostProfile: profile.localhostProfile } }),
    ...(own.procMount && { procMount: own.procMount as 'Default' }),
  };
}

function userOf(image: Image, runAsUser: number | undefined, runAsGroup: number | undefined): User {
  const group = runAsGroup === undefined ? {} : { runAsGroup };
  if (runAsUser !== undefined) return { runAsUser, ...group };
  const [name = '', imageGroup = ''] = image.user.split(':');
  const ofImage = runAsGroup === undefined && /^[0-9]+$/.test(imageGroup) ? { runAsGroup: Number(imageGroup) } : group;
  if (name === '') return ofImage;
  return /^[0-9]+$/.test(name) ? { runAsUser: Number(name), ...ofImage } : { runAsUserName: name, ...ofImage };
}

function refuseRoot(runAsUser: number | undefined, image: Image, container: Container, pod: Pod): void {
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (runAsUser === 0) throw new Error(`container's runAsUser breaks non-root policy ${where}`);
  if (runAsUser !== undefined) return;
  const [name = ''] = image.user.split(':');
  if (name === '' || name === '0') throw new Error(`container has runAsNonRoot and image will run as root ${where}`);
  if (!/^[0-9]+$/.test(name)) {
    throw new Error(
      `container has runAsNonRoot and image has non-numeric user (${name}), cannot verify user is non-root ${where}`,
    );
  }
}
