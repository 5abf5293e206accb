import { cause, cloneJson, equalJson, labelProblems, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, containerColumns, nameColumn, text } from '../../columns.ts';
import { defaultClaimSpec, validateClaimSpec } from '../../core/v1/persistentvolumeclaim.ts';
import { defaultTemplate } from '../../core/v1/podspec.ts';
import type { StatefulSet } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { countOrPercent, each, nonNegative, notOverWhole, oneOf, optionallyNamed } from '../../rules.ts';
import { validateLastingTemplate, validateOwnSelector } from './workload.ts';

export const statefulSet: Override<StatefulSet> = {
  countsGenerations: true,
  default({ spec }) {
    spec.podManagementPolicy ||= 'OrderedReady';
    defaultStrategy(spec);
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    defaultTemplate(spec.template);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ||= 'v1';
      claim.kind ||= 'PersistentVolumeClaim';
      if (claim.spec) defaultClaimSpec(claim.spec);
      claim.status = { ...claim.status, phase: claim.status?.phase || 'Pending' };
    }
  },
  prepare(object, old) {
    if (!old) object.status = { replicas: 0, availableReplicas: 0 };
  },
  validate: (object, old) => [...validateSpec(object, old), ...(old ? validateChange(object.spec, old.spec) : [])],
  columns: [
    nameColumn,
    text('Ready', ({ spec, status }: StatefulSet) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`),
    ageColumn,
    ...containerColumns(({ spec }: StatefulSet) => spec.template?.spec?.containers),
  ],
};

function defaultStrategy(spec: StatefulSet['spec']): void {
  spec.updateStrategy ??= {};
  if (!spec.updateStrategy.type) {
    spec.updateStrategy.type = 'RollingUpdate';
    spec.updateStrategy.rollingUpdate ??= {};
  }
  if (spec.updateStrategy.type === 'RollingUpdate' && spec.updateStrategy.rollingUpdate)
    spec.updateStrategy.rollingUpdate.partition ??= 0;
}

/** The template as its Pods will be: with a volume for each claim template. */
function templateWithClaims({
  template,
  volumeClaimTemplates = [],
}: StatefulSet['spec']): StatefulSet['spec']['template'] {
  if (volumeClaimTemplates.length === 0 || !template?.spec) return template;
  const claims = volumeClaimTemplates.map(({ metadata }) => ({
    name: metadata?.name ?? '',
    persistentVolumeClaim: { claimName: metadata?.name ?? '' },
  }));
  const names = new Set(claims.map(({ name }) => name));
  const volumes = [...claims, ...(template.spec.volumes ?? []).filter(({ name }) => !names.has(name))];
  return { ...template, spec: { ...template.spec, volumes } };
}

function validateSpec({ spec }: StatefulSet, old: StatefulSet | undefined): StatusCause[] {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const policies = ['OrderedReady', 'Parallel'];
  const causes: StatusCause[] = [];
  if (!policies.includes(spec.podManagementPolicy ?? ''))
    causes.push(
      cause.invalid('spec.podManagementPolicy', spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'"),
    );
  if (type === 'OnDelete' && rollingUpdate)
    causes.push(
      cause.invalid(
        'spec.updateStrategy.rollingUpdate',
        rollingUpdate,
        "only allowed for updateStrategy 'RollingUpdate'",
      ),
    );
  if (type !== 'OnDelete' && type !== 'RollingUpdate')
    causes.push(cause.invalid('spec.updateStrategy', spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'"));
  const at = 'spec.updateStrategy.rollingUpdate';
  causes.push(...nonNegative(`${at}.partition`, rollingUpdate?.partition));
  causes.push(
    ...countOrPercent(`${at}.maxUnavailable`, rollingUpdate?.maxUnavailable),
    ...notOverWhole(`${at}.maxUnavailable`, rollingUpdate?.maxUnavailable),
  );
  for (const name of ['whenDeleted', 'whenScaled'] as const)
    causes.push(
      ...oneOf(`spec.persistentVolumeClaimRetentionPolicy.${name}`, spec.persistentVolumeClaimRetentionPolicy?.[name], [
        'Delete',
        'Retain',
      ]),
    );
  if (!old)
    causes.push(
      ...each('spec.volumeClaimTemplates', spec.volumeClaimTemplates, ({ spec: claim }, path) =>
        validateClaimSpec(claim ?? {}, `${path}.spec`),
      ),
    );
  return [
    ...causes,
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
    ...(old ? [] : optionallyNamed('spec.serviceName', spec.serviceName, labelProblems)),
    ...validateOwnSelector(spec.selector, spec.template, 'statefulset'),
    ...validateLastingTemplate(templateWithClaims(spec), 'StatefulSet'),
  ];
}

const changeable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

function validateChange(spec: StatefulSet['spec'], before: StatefulSet['spec']): StatusCause[] {
  const fixed = (of: StatefulSet['spec']) => {
    const rest: Partial<StatefulSet['spec']> = cloneJson(of);
    for (const name of changeable) delete rest[name];
    return rest;
  };
  if (equalJson(fixed(spec), fixed(before))) return [];
  const list = changeable.map((name) => `'${name}'`);
  return [
    cause.forbidden(
      'spec',
      `updates to statefulset spec for fields other than ${list.slice(0, -1).join(', ')} and ${list.at(-1)} are forbidden`,
    ),
  ];
}
