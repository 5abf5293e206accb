/** The controls of the baseline standard: nothing of a pod is a known way to more privileges. */
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

export function hasOwnUsers(spec: PodSpec): boolean {
  return spec.hostUsers === false;
}

export function appArmorProfile({ metadata, spec }: PodLike): Found {
  const bad = new Set<string>();
  const by = setters(spec!, ({ appArmorProfile }) => {
    if (appArmorProfile === undefined || ['RuntimeDefault', 'Localhost'].includes(appArmorProfile.type)) return false;
    bad.add(appArmorProfile.type);
    return true;
  });
  const annotations = Object.entries(metadata?.annotations ?? {})
    .filter(([name, value]) => name.startsWith('container.apparmor.security.beta.kubernetes.io/') && !allowed(value))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .toSorted();
  const allSetters = [by, annotations.length > 0 ? counted(annotations.length, 'annotation') : ''].filter(Boolean);
  if (allSetters.length === 0) return undefined;
  const values = [...sorted(bad), ...annotations];
  return {
    reason: counted(values.length, 'forbidden AppArmor profile'),
    detail: `${allSetters.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  };
}

function allowed(profile: string): boolean {
  return profile === '' || profile === 'runtime/default' || profile.startsWith('localhost/');
}

const capabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);

export function capabilitiesBaseline({ spec }: PodLike): Found {
  const added = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((one) => !capabilities.has(one));
  const names = containersThat(spec!, (container) => added(container).length > 0);
  if (names.length === 0) return undefined;
  const bad = sorted(containersOf(spec!).flatMap(added));
  return {
    reason: 'non-default capabilities',
    detail: `${named('container', names)} must not include ${quoted(bad)} in securityContext.capabilities.add`,
  };
}

export function hostNamespaces({ spec }: PodLike): Found {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec![field]);
  if (shared.length === 0) return undefined;
  return { reason: 'host namespaces', detail: shared.map((field) => `${field}=true`).join(', ') };
}

export function hostPathVolumes({ spec }: PodLike): Found {
  const names = (spec!.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  return names.length === 0 ? undefined : { reason: 'hostPath volumes', detail: named('volume', names) };
}

export function hostPorts({ spec }: PodLike): Found {
  const taken = ({ ports = [] }: Container) => ports.filter(({ hostPort }) => hostPort).map((one) => `${one.hostPort}`);
  const names = containersThat(spec!, (container) => taken(container).length > 0);
  if (names.length === 0) return undefined;
  const ports = sorted(containersOf(spec!).flatMap(taken));
  const uses = counted(names.length, 'uses', 'use');
  return {
    reason: 'hostPort',
    detail: `${named('container', names)} ${uses} ${counted(ports.length, 'hostPort')} ${ports.join(', ')}`,
  };
}

export function hostProbesAndHostLifecycle({ spec }: PodLike): Found {
  const hosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
      .flatMap((one) => [one?.httpGet?.host, one?.tcpSocket?.host])
      .filter((host): host is string => !!host);
  const names = sorted(containersThat(spec!, (container) => hosts(container).length > 0));
  if (names.length === 0) return undefined;
  const all = sorted(containersOf(spec!).flatMap(hosts));
  const what = counted(all.length, 'probe or lifecycle host');
  return {
    reason: 'probe or lifecycle host',
    detail: `${named('container', names)} ${counted(names.length, 'uses', 'use')} ${what} ${quoted(all)}`,
  };
}

export function privileged({ spec }: PodLike): Found {
  const names = containersThat(spec!, ({ securityContext }) => securityContext?.privileged === true);
  if (names.length === 0) return undefined;
  return { reason: 'privileged', detail: `${named('container', names)} must not set securityContext.privileged=true` };
}

export function procMount({ spec }: PodLike): Found {
  const other = ({ securityContext }: Container) =>
    securityContext?.procMount !== undefined && securityContext.procMount !== 'Default';
  const names = containersThat(spec!, other);
  if (names.length === 0) return undefined;
  const types = sorted(
    containersOf(spec!)
      .filter(other)
      .map((one) => one.securityContext!.procMount!),
  );
  return {
    reason: 'procMount',
    detail: `${named('container', names)} must not set securityContext.procMount to ${quoted(types)}`,
  };
}

export function procMountOfOwnUsers(pod: PodLike): Found {
  return hasOwnUsers(pod.spec!) ? undefined : procMount(pod);
}

/** Of versions since which a type is allowed. */
export function seLinuxOptions(types: readonly string[]) {
  return ({ spec }: PodLike): Found => {
    const bad = new Set<string>();
    let [user, role] = [false, false];
    const by = setters(spec!, ({ seLinuxOptions: options }) => {
      if (options === undefined) return false;
      const badType = !!options.type && !types.includes(options.type);
      if (badType) bad.add(options.type!);
      user ||= !!options.user;
      role ||= !!options.role;
      return badType || !!options.user || !!options.role;
    });
    if (by === '') return undefined;
    const data = [
      bad.size > 0 && named('type', sorted(bad)),
      user && 'user may not be set',
      role && 'role may not be set',
    ].filter(Boolean);
    return {
      reason: 'seLinuxOptions',
      detail: `${by} set forbidden securityContext.seLinuxOptions: ${data.join('; ')}`,
    };
  };
}

export function seccompAnnotations({ metadata, spec }: PodLike): Found {
  const keys = [
    'seccomp.security.alpha.kubernetes.io/pod',
    ...containersOf(spec!).map(({ name }) => `container.seccomp.security.alpha.kubernetes.io/${name}`),
  ];
  const bad = keys.flatMap((key) => {
    const value = metadata?.annotations?.[key];
    if (value === undefined || ['runtime/default', 'docker/default'].includes(value)) return [];
    return value.startsWith('localhost/') ? [] : [`${key}=${JSON.stringify(value)}`];
  });
  if (bad.length === 0) return undefined;
  const forbidden = sorted(bad);
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${counted(forbidden.length, 'annotation')} ${forbidden.join(', ')}`,
  };
}

export function seccompProfile({ spec }: PodLike): Found {
  const bad = new Set<string>();
  const by = setters(spec!, ({ seccompProfile: profile }) => {
    if (profile === undefined || profile.type === 'Localhost' || profile.type === 'RuntimeDefault') return false;
    bad.add(profile.type);
    return true;
  });
  if (by === '') return undefined;
  return {
    reason: 'seccompProfile',
    detail: `${by} must not set securityContext.seccompProfile.type to ${quoted(sorted(bad))}`,
  };
}

const sysctl = {
  first: [
    'kernel.shm_rmid_forced',
    'net.ipv4.ip_local_port_range',
    'net.ipv4.tcp_syncookies',
    'net.ipv4.ping_group_range',
    'net.ipv4.ip_unprivileged_port_start',
  ],
  27: ['net.ipv4.ip_local_reserved_ports'],
  29: ['keepalive_time', 'fin_timeout', 'keepalive_intvl', 'keepalive_probes'].map((name) => `net.ipv4.tcp_${name}`),
  32: ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'],
};
export const sysctlsSince: readonly (readonly [number, readonly string[]])[] = [
  [0, sysctl.first],
  [27, [...sysctl.first, ...sysctl[27]]],
  [29, [...sysctl.first, ...sysctl[27], ...sysctl[29]]],
  [32, [...sysctl.first, ...sysctl[27], ...sysctl[29], ...sysctl[32]]],
];

export function sysctls(safe: readonly string[]) {
  return ({ spec }: PodLike): Found => {
    const bad = (spec!.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe.includes(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
}

export function windowsHostProcess({ spec }: PodLike): Found {
  const by = setters(spec!, ({ windowsOptions }) => windowsOptions?.hostProcess === true);
  if (by === '') return undefined;
  return { reason: 'hostProcess', detail: `${by} must not set securityContext.windowsOptions.hostProcess=true` };
}
