/** The controls that the restricted standard adds: current practice of hardening pods. */
import { hasOwnUsers } from './baseline.ts';
import {
  type Container,
  containersOf,
  containersThat,
  counted,
  type Fault,
  named,
  type PodLike,
  type PodSpec,
  quoted,
  setters,
  sorted,
} from './fault.ts';

type Found = Fault | undefined;
type Check = (pod: PodLike) => Found;

/** What Windows does not have is not asked of its pods. */
export function notOnWindows(check: Check): Check {
  return (pod) => (pod.spec!.os?.name === 'windows' ? undefined : check(pod));
}

/** The root of a user namespace of its own is nobody outside of it. */
export function unlessOwnUsers(check: Check): Check {
  return (pod) => (hasOwnUsers(pod.spec!) ? undefined : check(pod));
}

export function allowPrivilegeEscalation({ spec }: PodLike): Found {
  const names = containersThat(spec!, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (names.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${named('container', names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

export function capabilitiesRestricted({ spec }: PodLike): Found {
  const added = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((one) => one !== 'NET_BIND_SERVICE');
  const keeping = containersThat(spec!, (one) => !one.securityContext?.capabilities?.drop?.includes('ALL'));
  const adding = containersThat(spec!, (one) => added(one).length > 0);
  const details: string[] = [];
  if (keeping.length > 0)
    details.push(`${named('container', keeping)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length > 0) {
    const bad = quoted(sorted(containersOf(spec!).flatMap(added)));
    details.push(`${named('container', adding)} must not include ${bad} in securityContext.capabilities.add`);
  }
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

const volumeTypes = new Set(
  'configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret'.split(' '),
);

export function restrictedVolumes({ spec }: PodLike): Found {
  const sourceOf = (volume: object) => Object.keys(volume).filter((field) => field !== 'name');
  const bad = (spec!.volumes ?? []).filter((volume) => !sourceOf(volume).some((source) => volumeTypes.has(source)));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => sourceOf(volume)[0] ?? 'unknown'));
  const names = bad.map(({ name }) => name);
  const what = counted(types.length, 'restricted volume type');
  return {
    reason: 'restricted volume types',
    detail: `${named('volume', names)} ${counted(names.length, 'uses', 'use')} ${what} ${quoted(types)}`,
  };
}

/** Containers that say nothing themselves, of a pod that does not say it for them. */
function unset(spec: PodSpec, says: (context: object) => boolean): string[] {
  if (spec.securityContext !== undefined && says(spec.securityContext)) return [];
  return containersThat(spec, ({ securityContext }) => securityContext === undefined || !says(securityContext));
}

export function runAsNonRoot({ spec }: PodLike): Found {
  const reason = 'runAsNonRoot != true';
  const by = setters(spec!, (context) => context.runAsNonRoot === false);
  if (by !== '') return { reason, detail: `${by} must not set securityContext.runAsNonRoot=false` };
  const names = unset(spec!, (context) => 'runAsNonRoot' in context);
  if (names.length === 0) return undefined;
  return { reason, detail: `pod or ${named('container', names)} must set securityContext.runAsNonRoot=true` };
}

export function runAsUser({ spec }: PodLike): Found {
  const by = setters(spec!, (context) => context.runAsUser === 0);
  return by === '' ? undefined : { reason: 'runAsUser=0', detail: `${by} must not set runAsUser=0` };
}

export function seccompProfileRestricted({ spec }: PodLike): Found {
  const reason = 'seccompProfile';
  const bad = new Set<string>();
  const by = setters(spec!, ({ seccompProfile }) => {
    if (seccompProfile === undefined || ['Localhost', 'RuntimeDefault'].includes(seccompProfile.type)) return false;
    bad.add(seccompProfile.type);
    return true;
  });
  if (by !== '')
    return { reason, detail: `${by} must not set securityContext.seccompProfile.type to ${quoted(sorted(bad))}` };
  const names = unset(spec!, (context) => 'seccompProfile' in context);
  if (names.length === 0) return undefined;
  return {
    reason,
    detail: `pod or ${named('container', names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
}
