import { cause, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, containerColumns, formatSelector, humanDuration, nameColumn, text, wide } from '../../columns.ts';
import { defaultTemplate } from '../../core/v1/podspec.ts';
import { validateTemplate } from '../../core/v1/podvalidation.ts';
import type { Job, JobSpec } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, nonNegative, oneOf, selects, validateSelector } from '../../rules.ts';

export const job: Override<Job> = {
  countsGenerations: true,
  selectableFields: { 'status.successful': (object) => String(object.status?.succeeded ?? 0) },
  default(object) {
    defaultJobSpec(object.spec);
    const labels = object.spec.template?.metadata?.labels;
    if (labels && Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels };
  },
  prepare(object, old) {
    if (old) return;
    object.status = {};
    if (!object.spec.manualSelector) generateSelector(object);
  },
  validate: (object, old) => [
    ...validateJobSpec(object.spec, 'spec'),
    ...validateOwnPods(object),
    ...(old ? validateChange(object.spec, old) : []),
  ],
  columns: [
    nameColumn,
    text('Status', status),
    text('Completions', completions),
    text('Duration', duration),
    ageColumn,
    ...containerColumns(({ spec }: Job) => spec.template?.spec?.containers),
    wide('Selector', ({ spec }: Job) => formatSelector(spec.selector)),
  ],
};

export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  spec.manualSelector ??= false;
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  defaultTemplate(spec.template);
}

const uidLabel = 'batch.kubernetes.io/controller-uid';

/** A Job finds its Pods by its own uid, so that no two Jobs share any. */
function generateSelector({ metadata, spec }: Job): void {
  const own = {
    'job-name': metadata.name ?? '',
    'batch.kubernetes.io/job-name': metadata.name ?? '',
    'controller-uid': metadata.uid ?? '',
    [uidLabel]: metadata.uid ?? '',
  };
  spec.template ??= {};
  spec.template.metadata = { ...spec.template.metadata, labels: { ...own, ...spec.template.metadata?.labels } };
  spec.selector = { ...spec.selector, matchLabels: { [uidLabel]: metadata.uid ?? '', ...spec.selector?.matchLabels } };
}

export function validateJobSpec(spec: JobSpec, field: string): StatusCause[] {
  const counts = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const;
  const causes = counts.flatMap((name) => nonNegative(`${field}.${name}`, spec[name]));
  causes.push(...oneOf(`${field}.completionMode`, spec.completionMode, ['NonIndexed', 'Indexed'], true));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    causes.push(cause.required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined)
      causes.push(cause.required(`${field}.completions`, 'when completion mode is Indexed'));
    if ((spec.parallelism ?? 0) > 100_000)
      causes.push(
        cause.invalid(
          `${field}.parallelism`,
          spec.parallelism,
          'must be less than or equal to 100000 when completion mode is Indexed',
        ),
      );
  } else
    for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes', 'successPolicy'] as const)
      if (spec[name] !== undefined)
        causes.push(cause.invalid(`${field}.${name}`, spec[name], 'requires indexed completion mode'));
  causes.push(
    ...oneOf(`${field}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed'], true),
  );
  return [...causes, ...validateTemplate(spec.template, `${field}.template`), ...validateRestarts(spec, field)];
}

function validateRestarts({ template, podFailurePolicy }: JobSpec, field: string): StatusCause[] {
  const at = `${field}.template.spec.restartPolicy`;
  const policy = template?.spec?.restartPolicy;
  if (!policy || policy === 'Always') return [cause.required(at, 'valid values: "OnFailure", "Never"')];
  if (podFailurePolicy && policy !== 'Never')
    return [cause.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  return [];
}

function validateOwnPods({ metadata, spec }: Job): StatusCause[] {
  if (!spec.selector) return [cause.required('spec.selector')];
  const labels = spec.template?.metadata?.labels ?? {};
  const causes = validateSelector(spec.selector, 'spec.selector');
  if (!selects(spec.selector, labels))
    causes.push(cause.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  if (!spec.manualSelector && spec.selector.matchLabels?.[uidLabel] !== metadata.uid)
    causes.push(cause.invalid('spec.selector', spec.selector, '`selector` not auto-generated'));
  return causes;
}

const fixed = [
  'selector',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'managedBy',
  'successPolicy',
] as const;
/** What may change of a suspended Job's Pods before they start. */
const schedulingFields = ['nodeSelector', 'affinity', 'tolerations', 'schedulingGates'] as const;

function validateChange(spec: JobSpec, { spec: before, status: current }: Job): StatusCause[] {
  const causes = fixed.flatMap((name) => immutable(`spec.${name}`, spec[name], before[name]));
  const elastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (!elastic) causes.push(...immutable('spec.completions', spec.completions, before.completions));
  const mayReschedule = before.suspend === true && !current?.startTime;
  if (mayReschedule && equalJson(withoutScheduling(spec), withoutScheduling(before))) return causes;
  return [...causes, ...immutable('spec.template', spec.template, before.template)];
}

function withoutScheduling({ template }: JobSpec): unknown {
  const rest = { ...template?.spec };
  for (const name of schedulingFields) delete rest[name];
  return rest;
}

const isTrue = (object: Job, type: string) =>
  object.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True');

function status(object: Job): string {
  if (isTrue(object, 'Complete')) return 'Complete';
  if (isTrue(object, 'Failed')) return 'Failed';
  if (object.metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find((type) => isTrue(object, type)) ?? 'Running';
}

function completions({ spec, status: current }: Job): string {
  const done = current?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${done}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${done}/1 of ${spec.parallelism}` : `${done}/1`;
}

function duration({ status: current }: Job, now: number): string {
  if (!current?.startTime) return '';
  return humanDuration(
    (current.completionTime ? Date.parse(current.completionTime) : now) - Date.parse(current.startTime),
  );
}
