/** On which nodes a DaemonSet's pod belongs, and the pod for one of them. Pure. */
import {
  type DaemonSet,
  daemonSets,
  type Node,
  type NodeSelectorRequirement,
  type Pod,
  type PodSpec,
  type Taint,
  type Toleration,
} from '../../api/index.ts';
import { compileSelector, selectorFromSet } from '../../machinery/index.ts';
import { revisionHashLabel } from '../history.ts';
import { podFor } from '../pods.ts';

const taint = (name: string) => `node.kubernetes.io/${name}`;
const tolerated: readonly Toleration[] = [
  { key: taint('not-ready'), operator: 'Exists', effect: 'NoExecute' },
  { key: taint('unreachable'), operator: 'Exists', effect: 'NoExecute' },
  { key: taint('disk-pressure'), operator: 'Exists', effect: 'NoSchedule' },
  { key: taint('memory-pressure'), operator: 'Exists', effect: 'NoSchedule' },
  { key: taint('pid-pressure'), operator: 'Exists', effect: 'NoSchedule' },
  { key: taint('unschedulable'), operator: 'Exists', effect: 'NoSchedule' },
];

/** `hash`: of the present template's revision. */
export function daemonPodFor(set: DaemonSet, hash: string, node: string): Pod {
  const pod = podFor(set.spec!.template, daemonSets, set);
  pod.metadata.labels = { ...pod.metadata.labels, [revisionHashLabel]: hash };
  pod.spec.tolerations = tolerationsOf(pod.spec);
  const required = {
    nodeSelectorTerms: termsOf(pod.spec).map((term) => ({
      ...term,
      matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node] }],
    })),
  };
  const { affinity } = pod.spec;
  pod.spec.affinity = {
    ...affinity,
    nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required },
  };
  return pod;
}

function termsOf({ affinity }: PodSpec): object[] {
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms.length > 0 ? terms : [{}];
}

/** The node that a pod is on, or was made for. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms[0]?.matchFields?.find(({ key }) => key === 'metadata.name')?.values?.[0];
}

function tolerationsOf(spec: PodSpec): Toleration[] {
  const network: Toleration[] = spec.hostNetwork
    ? [{ key: taint('network-unavailable'), operator: 'Exists', effect: 'NoSchedule' }]
    : [];
  const own = spec.tolerations ?? [];
  const added = [...tolerated, ...network].filter(
    (one) =>
      !own.some(({ key, operator, effect }) => key === one.key && operator === one.operator && effect === one.effect),
  );
  return [...own, ...added];
}

export interface Belongs {
  /** One should be made. */
  runs: boolean;
  /** One that is there may stay. */
  stays: boolean;
}

export function belongs(set: DaemonSet, node: Node): Belongs {
  const spec = set.spec!.template.spec!;
  if (!fits(spec, node)) return { runs: false, stays: false };
  const tolerations = tolerationsOf(spec);
  const bad = (node.spec?.taints ?? []).filter((one) => !tolerations.some((toleration) => tolerates(toleration, one)));
  return {
    runs: !bad.some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute'),
    stays: !bad.some(({ effect }) => effect === 'NoExecute'),
  };
}

function tolerates(toleration: Toleration, { key, value, effect }: Taint): boolean {
  if (toleration.effect && toleration.effect !== effect) return false;
  if (toleration.key && toleration.key !== key) return false;
  return toleration.operator === 'Exists' || (!!toleration.key && (toleration.value ?? '') === (value ?? ''));
}

function fits(spec: PodSpec, node: Node): boolean {
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return false;
  if (spec.nodeSelector && !selectorFromSet(spec.nodeSelector).matches(node.metadata.labels)) return false;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined) return true;
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false;
    return (
      meets(matchExpressions, node.metadata.labels) && meets(matchFields, { 'metadata.name': node.metadata.name! })
    );
  });
}

const operators = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!', Gt: 'gt', Lt: 'lt' } as const;

function meets(requirements: readonly NodeSelectorRequirement[], labels: Record<string, string> | undefined): boolean {
  const compiled = requirements.map(({ key, operator, values = [] }) => ({
    key,
    operator: operators[operator as keyof typeof operators],
    values,
  }));
  return compileSelector(compiled).matches(labels);
}
