import { cause, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, containerColumns, formatSelector, nameColumn, text, wide } from '../../columns.ts';
import { defaultTemplate } from '../../core/v1/podspec.ts';
import type { Deployment } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { countOrPercent, immutable, nonNegative, notOverWhole } from '../../rules.ts';
import { amountOf, validateLastingTemplate, validateOwnSelector } from './workload.ts';

export const deployment: Override<Deployment> = {
  countsGenerations: true,
  default({ spec }) {
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ||= 'RollingUpdate';
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
      spec.strategy.rollingUpdate.maxSurge ??= '25%';
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultTemplate(spec.template);
  },
  prepare(object, old, subresource) {
    if (!old) object.status = {};
    // its ReplicaSets carry its annotations, so a change of them is work to do
    else if (!subresource && !equalJson(object.metadata.annotations ?? {}, old.metadata.annotations ?? {}))
      object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate({ spec }, old) {
    return [
      ...nonNegative('spec.replicas', spec.replicas),
      ...validateOwnSelector(spec.selector, spec.template, 'deployment'),
      ...validateLastingTemplate(spec.template, 'ReplicaSet'),
      ...validateStrategy(spec),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...validateDeadline(spec),
      ...(old ? immutable('spec.selector', spec.selector, old.spec.selector) : []),
    ];
  },
  columns: [
    nameColumn,
    text('Ready', ({ spec, status }: Deployment) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`),
    text('Up-to-date', ({ status }: Deployment) => String(status?.updatedReplicas ?? 0)),
    text('Available', ({ status }: Deployment) => String(status?.availableReplicas ?? 0)),
    ageColumn,
    ...containerColumns(({ spec }: Deployment) => spec.template?.spec?.containers),
    wide('Selector', ({ spec }: Deployment) => formatSelector(spec.selector)),
  ],
};

function validateStrategy({ strategy }: Deployment['spec']): StatusCause[] {
  const at = 'spec.strategy';
  if (strategy?.type === 'Recreate')
    return strategy.rollingUpdate
      ? [cause.forbidden(`${at}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")]
      : [];
  if (strategy?.type !== 'RollingUpdate')
    return [cause.notSupported(at, strategy?.type, ['Recreate', 'RollingUpdate'])];
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate ?? {};
  const causes = [
    ...countOrPercent(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable),
    ...countOrPercent(`${at}.rollingUpdate.maxSurge`, maxSurge),
  ];
  if (amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0)
    causes.push(
      cause.invalid(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'),
    );
  return [...causes, ...notOverWhole(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable)];
}

function validateDeadline({
  progressDeadlineSeconds: deadline,
  minReadySeconds = 0,
}: Deployment['spec']): StatusCause[] {
  const field = 'spec.progressDeadlineSeconds';
  const causes = nonNegative(field, deadline);
  if (deadline !== undefined && deadline <= minReadySeconds)
    causes.push(cause.invalid(field, deadline, 'must be greater than minReadySeconds'));
  return causes;
}
