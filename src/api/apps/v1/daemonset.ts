import { cause, type StatusCause } from '../../../machinery/index.ts';
import {
  ageColumn,
  containerColumns,
  formatLabels,
  formatSelector,
  integer,
  nameColumn,
  text,
  wide,
} from '../../columns.ts';
import { defaultTemplate } from '../../core/v1/podspec.ts';
import type { DaemonSet } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { countOrPercent, immutable, nonNegative, notOverWhole } from '../../rules.ts';
import { amountOf, validateLastingTemplate, validateOwnSelector } from './workload.ts';

export const daemonSet: Override<DaemonSet> = {
  countsGenerations: true,
  default({ spec }) {
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultTemplate(spec.template);
  },
  prepare(object, old) {
    if (!old)
      object.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
  },
  validate({ spec }, old) {
    return [
      ...validateOwnSelector(spec.selector, spec.template, 'daemonset'),
      ...validateLastingTemplate(spec.template, 'DaemonSet'),
      ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
      ...validateStrategy(spec),
      ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
      ...(old ? immutable('spec.selector', spec.selector, old.spec.selector) : []),
    ];
  },
  columns: [
    nameColumn,
    integer('Desired', ({ status }: DaemonSet) => status?.desiredNumberScheduled),
    integer('Current', ({ status }: DaemonSet) => status?.currentNumberScheduled),
    integer('Ready', ({ status }: DaemonSet) => status?.numberReady),
    integer('Up-to-date', ({ status }: DaemonSet) => status?.updatedNumberScheduled),
    integer('Available', ({ status }: DaemonSet) => status?.numberAvailable),
    text('Node Selector', ({ spec }: DaemonSet) => formatLabels(spec.template?.spec?.nodeSelector)),
    ageColumn,
    ...containerColumns(({ spec }: DaemonSet) => spec.template?.spec?.containers),
    wide('Selector', ({ spec }: DaemonSet) => formatSelector(spec.selector)),
  ],
};

function validateStrategy({ updateStrategy }: DaemonSet['spec']): StatusCause[] {
  const { type, rollingUpdate = {} } = updateStrategy ?? {};
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') return [cause.notSupported('spec.updateStrategy', type, ['RollingUpdate', 'OnDelete'])];
  const at = 'spec.updateStrategy.rollingUpdate';
  const causes: StatusCause[] = [];
  for (const name of ['maxUnavailable', 'maxSurge'] as const)
    causes.push(
      ...countOrPercent(`${at}.${name}`, rollingUpdate[name]),
      ...notOverWhole(`${at}.${name}`, rollingUpdate[name]),
    );
  const unavailable = amountOf(rollingUpdate.maxUnavailable) !== 0;
  const surge = amountOf(rollingUpdate.maxSurge) !== 0;
  if (unavailable && surge)
    causes.push(
      cause.invalid(`${at}.maxSurge`, rollingUpdate.maxSurge, 'may not be set when maxUnavailable is non-zero'),
    );
  if (!unavailable && !surge) causes.push(cause.required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  return causes;
}
