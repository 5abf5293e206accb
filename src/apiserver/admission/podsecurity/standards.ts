/** The Pod Security Standards as they were at each minor version: which controls hold, in the order in which they are told. */
import * as baseline from './baseline.ts';
import type { Fault, PodLike } from './fault.ts';
import * as restricted from './restricted.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';
type Check = (pod: PodLike) => Fault | undefined;

interface Control {
  readonly id: string;
  /** From which minor version on it is looked for how. */
  readonly since: readonly (readonly [number, Check])[];
  /** The control of the baseline that it says more strictly. */
  readonly instead?: string;
}

const { notOnWindows, unlessOwnUsers } = restricted;
const seLinuxTypes = ['container_t', 'container_init_t', 'container_kvm_t'];

const baselineControls: readonly Control[] = [
  { id: 'appArmorProfile', since: [[0, baseline.appArmorProfile]] },
  { id: 'capabilities_baseline', since: [[0, baseline.capabilitiesBaseline]] },
  { id: 'hostNamespaces', since: [[0, baseline.hostNamespaces]] },
  { id: 'hostPathVolumes', since: [[0, baseline.hostPathVolumes]] },
  { id: 'hostPorts', since: [[0, baseline.hostPorts]] },
  { id: 'hostProbesAndHostLifecycle', since: [[34, baseline.hostProbesAndHostLifecycle]] },
  { id: 'privileged', since: [[0, baseline.privileged]] },
  {
    id: 'procMount',
    since: [
      [0, baseline.procMount],
      [35, unlessOwnUsers(baseline.procMount)],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [
      [0, baseline.seLinuxOptions(seLinuxTypes)],
      [31, baseline.seLinuxOptions([...seLinuxTypes, 'container_engine_t'])],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    since: [
      [0, baseline.seccompAnnotations],
      [19, baseline.seccompProfile],
    ],
  },
  { id: 'sysctls', since: baseline.sysctlsSince.map(([minor, safe]) => [minor, baseline.sysctls(safe)] as const) },
  { id: 'windowsHostProcess', since: [[0, baseline.windowsHostProcess]] },
];

const restrictedControls: readonly Control[] = [
  {
    id: 'allowPrivilegeEscalation',
    since: [
      [8, restricted.allowPrivilegeEscalation],
      [25, notOnWindows(restricted.allowPrivilegeEscalation)],
    ],
  },
  {
    id: 'capabilities_restricted',
    instead: 'capabilities_baseline',
    since: [
      [22, restricted.capabilitiesRestricted],
      [25, notOnWindows(restricted.capabilitiesRestricted)],
    ],
  },
  { id: 'procMount_restricted', instead: 'procMount', since: [[35, baseline.procMount]] },
  { id: 'restrictedVolumes', instead: 'hostPathVolumes', since: [[0, restricted.restrictedVolumes]] },
  {
    id: 'runAsNonRoot',
    since: [
      [0, restricted.runAsNonRoot],
      [35, unlessOwnUsers(restricted.runAsNonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    since: [
      [23, restricted.runAsUser],
      [35, unlessOwnUsers(restricted.runAsUser)],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    instead: 'seccompProfile_baseline',
    since: [
      [19, restricted.seccompProfileRestricted],
      [25, notOnWindows(restricted.seccompProfileRestricted)],
    ],
  },
];

const checks = new Map<string, readonly Check[]>();

/** @param minor of version 1; infinite for the latest. */
export function faultsOf(level: Level, minor: number, pod: PodLike): Fault[] {
  if (level === 'privileged') return [];
  const key = `${level} ${minor}`;
  let found = checks.get(key);
  if (found === undefined) {
    found = checksAt(level, minor);
    if (checks.size < 1000) checks.set(key, found);
  }
  return found.map((check) => check(pod)).filter((fault) => fault !== undefined);
}

function checksAt(level: Level, minor: number): Check[] {
  const at = ({ since }: Control) => since.findLast(([from]) => from <= minor)?.[1];
  const strict = level === 'restricted' ? restrictedControls.filter((control) => at(control) !== undefined) : [];
  const replaced = new Set(strict.map(({ instead }) => instead));
  const kept = baselineControls.filter((control) => at(control) !== undefined && !replaced.has(control.id));
  return [...kept, ...strict].map((control) => at(control)!);
}
