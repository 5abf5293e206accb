/** In which order group versions are preferred, as their APIServices say it. */
import { compareVersions } from '../resources.ts';

export interface Priority {
  readonly groupPriorityMinimum: number;
  readonly versionPriority: number;
}

/** Groups that have always had theirs; every other built-in one comes after them. */
const groups: Record<string, number> = {
  '': 18000,
  'events.k8s.io': 17750,
  'authentication.k8s.io': 17700,
  'authorization.k8s.io': 17600,
  'certificates.k8s.io': 17300,
  'rbac.authorization.k8s.io': 17000,
  'apiextensions.k8s.io': 16700,
  'admissionregistration.k8s.io': 16700,
  'coordination.k8s.io': 16500,
  'discovery.k8s.io': 16200,
  'flowcontrol.apiserver.k8s.io': 16100,
  'internal.apiserver.k8s.io': 16000,
  'resource.k8s.io': 15900,
  'storagemigration.k8s.io': 15800,
};

export const customPriority: Priority = { groupPriorityMinimum: 1000, versionPriority: 100 };

export function builtInPriority(group: string, version: string): Priority {
  const stage = ['v1', 'v1beta1', 'v1alpha1'].findIndex((step) => compareVersions(version, step) >= 0);
  const versionPriority = group === '' ? 1 : ([15, 9, 1][stage] ?? 1);
  return { groupPriorityMinimum: groups[group] ?? 17500, versionPriority };
}
