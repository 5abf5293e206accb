import { ageColumn, containerColumns, formatSelector, integer, nameColumn, wide } from '../../columns.ts';
import { defaultTemplate } from '../../core/v1/podspec.ts';
import type { PodTemplateSpec, ReplicaSet } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, nonNegative } from '../../rules.ts';
import { validateLastingTemplate, validateOwnSelector } from './workload.ts';

export const replicaSet: Override<ReplicaSet> = {
  countsGenerations: true,
  selectableFields: { 'status.replicas': (object) => String(object.status?.replicas ?? 0) },
  default({ spec }) {
    spec.replicas ??= 1;
    defaultTemplate(spec.template);
  },
  prepare(object, old) {
    if (!old) object.status = { replicas: 0 };
  },
  validate({ spec }, old) {
    const template = spec.template as PodTemplateSpec;
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...validateOwnSelector(spec.selector, template, 'replicaset'),
      ...validateLastingTemplate(template, 'ReplicaSet'),
      ...(old ? immutable('spec.selector', spec.selector, old.spec.selector) : []),
    ];
  },
  columns: [
    nameColumn,
    integer('Desired', ({ spec }: ReplicaSet) => spec.replicas),
    integer('Current', ({ status }: ReplicaSet) => status?.replicas),
    integer('Ready', ({ status }: ReplicaSet) => status?.readyReplicas),
    ageColumn,
    ...containerColumns(({ spec }: ReplicaSet) => spec.template?.spec?.containers),
    wide('Selector', ({ spec }: ReplicaSet) => formatSelector(spec.selector)),
  ],
};
