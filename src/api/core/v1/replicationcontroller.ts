import { cause } from '../../../machinery/index.ts';
import { ageColumn, containerColumns, formatLabels, integer, nameColumn, wide } from '../../columns.ts';
import type { ReplicationController } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { nonNegative, selects } from '../../rules.ts';
import { defaultTemplate } from './podspec.ts';
import { validateTemplate } from './podvalidation.ts';

export const replicationController: Override<ReplicationController> = {
  countsGenerations: true,
  selectableFields: { 'status.replicas': (object) => String(object.status?.replicas ?? 0) },
  default(object) {
    const { spec, metadata } = object;
    const labels = spec.template?.metadata?.labels;
    spec.replicas ??= 1;
    if (labels && Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    defaultTemplate(spec.template);
  },
  prepare(object, old) {
    if (!old) object.status = { replicas: 0 };
  },
  validate({ spec }) {
    const causes = nonNegative('spec.replicas', spec.replicas);
    if (Object.keys(spec.selector ?? {}).length === 0) causes.push(cause.required('spec.selector'));
    else if (!selects({ matchLabels: spec.selector }, spec.template?.metadata?.labels))
      causes.push(
        cause.invalid(
          'spec.template.metadata.labels',
          spec.template?.metadata?.labels ?? {},
          '`selector` does not match template `labels`',
        ),
      );
    if (!spec.template) return [...causes, cause.required('spec.template')];
    if (spec.template.spec?.restartPolicy !== 'Always')
      causes.push(
        cause.notSupported('spec.template.spec.restartPolicy', spec.template.spec?.restartPolicy, ['Always']),
      );
    return [...causes, ...validateTemplate(spec.template, 'spec.template')];
  },
  columns: [
    nameColumn,
    integer('Desired', ({ spec }: ReplicationController) => spec.replicas),
    integer('Current', ({ status }: ReplicationController) => status?.replicas),
    integer('Ready', ({ status }: ReplicationController) => status?.readyReplicas),
    ageColumn,
    ...containerColumns(({ spec }: ReplicationController) => spec.template?.spec?.containers),
    wide('Selector', ({ spec }: ReplicationController) => formatLabels(spec.selector)),
  ],
};
