import { cause, equalJson, type StatusCause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type {
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { mandatoryPriorityLevels } from './builtin.ts';
import { validateConditions } from './flowschema.ts';

/** Only versions before v1 knew it. */
const preservesZero = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';
const mostQueues = 10_000_000;
/** What a hash of a flow has, to deal queues from. */
const hashBits = 60;

export const priorityLevelConfiguration: Override<PriorityLevelConfiguration> = {
  countsGenerations: true,
  default({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    if (!spec?.limited) return;
    spec.limited.nominalConcurrencyShares ??= 30;
    spec.limited.lendablePercent ??= 0;
    const queuing = spec.limited.limitResponse?.queuing;
    if (!queuing) return;
    queuing.handSize ||= 8;
    queuing.queues ||= 64;
    queuing.queueLengthLimit ||= 50;
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate({ metadata, spec, status }) {
    return [
      ...(metadata.annotations && preservesZero in metadata.annotations
        ? [cause.forbidden('metadata.annotations', `annotation '${preservesZero}' is forbidden`)]
        : []),
      ...validateSpec(metadata.name ?? '', spec),
      ...validateFixed(metadata.name ?? '', spec),
      ...validateConditions(status?.conditions),
    ];
  },
  columns: [
    nameColumn,
    text('Type', ({ spec }: PriorityLevelConfiguration) => spec.type ?? ''),
    text('NominalConcurrencyShares', ({ spec }: PriorityLevelConfiguration) =>
      String(spec.limited?.nominalConcurrencyShares ?? '<none>'),
    ),
    ...(['Queues', 'HandSize', 'QueueLengthLimit'] as const).map((name) =>
      text(name, ({ spec }: PriorityLevelConfiguration) => {
        const field = `${name[0]!.toLowerCase()}${name.slice(1)}` as 'queues' | 'handSize' | 'queueLengthLimit';
        return String(spec.limited?.limitResponse?.queuing?.[field] ?? '<none>');
      }),
    ),
    ageColumn,
  ],
};

function validateSpec(name: string, spec: PriorityLevelConfigurationSpec): StatusCause[] {
  const { type, limited, exempt } = spec;
  const misnamed =
    (name === 'exempt') === (type === 'Exempt')
      ? []
      : [cause.invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'")];
  if (type === 'Exempt')
    return [
      ...misnamed,
      ...(limited ? [cause.forbidden('spec.limited', 'must be nil if the type is not Limited')] : []),
      ...validateShares('spec.exempt', exempt),
    ];
  if (type === 'Limited')
    return [
      ...misnamed,
      ...(exempt ? [cause.forbidden('spec.exempt', 'must be nil if the type is Limited')] : []),
      ...(limited
        ? validateLimited(limited)
        : [cause.required('spec.limited', 'must not be empty when type is Limited')]),
    ];
  return [...misnamed, cause.notSupported('spec.type', type, ['Exempt', 'Limited'])];
}

function validateShares(
  field: string,
  shares: { nominalConcurrencyShares?: number; lendablePercent?: number } | undefined,
): StatusCause[] {
  const { nominalConcurrencyShares: nominal = 0, lendablePercent: lendable = 0 } = shares ?? {};
  return [
    ...(nominal < 0
      ? [cause.invalid(`${field}.nominalConcurrencyShares`, nominal, 'must be a non-negative integer')]
      : []),
    ...(lendable < 0 || lendable > 100
      ? [cause.invalid(`${field}.lendablePercent`, lendable, 'must be between 0 and 100, inclusive')]
      : []),
  ];
}

function validateLimited(limited: LimitedPriorityLevelConfiguration): StatusCause[] {
  const { borrowingLimitPercent: borrowing = 0, limitResponse } = limited;
  return [
    ...validateShares('spec.limited', limited),
    ...validateResponse(limitResponse),
    ...(borrowing < 0
      ? [cause.invalid('spec.limited.borrowingLimitPercent', borrowing, 'if specified, must be a non-negative integer')]
      : []),
  ];
}

function validateResponse(response: LimitedPriorityLevelConfiguration['limitResponse']): StatusCause[] {
  const field = 'spec.limited.limitResponse';
  const queuing = response?.queuing;
  switch (response?.type) {
    case 'Reject':
      return queuing
        ? [cause.forbidden(`${field}.queuing`, 'must be nil if limited.limitResponse.type is not Limited')]
        : [];
    case 'Queue':
      return queuing
        ? validateQueuing(queuing, `${field}.queuing`)
        : [cause.required(`${field}.queuing`, 'must not be empty if limited.limitResponse.type is Limited')];
    default:
      return [cause.notSupported(`${field}.type`, response?.type ?? '', ['Queue', 'Reject'])];
  }
}

function validateQueuing(queuing: QueuingConfiguration, field: string): StatusCause[] {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  const bits = Math.ceil(Math.log2(queues) * handSize);
  const invalid = (name: string, value: number, wrong: boolean, detail: string) =>
    wrong ? [cause.invalid(`${field}.${name}`, value, detail)] : [];
  return [
    ...invalid('queueLengthLimit', queueLengthLimit, queueLengthLimit <= 0, 'must be positive'),
    ...invalid('queues', queues, queues <= 0, 'must be positive'),
    ...invalid('queues', queues, queues > mostQueues, `must not be greater than ${mostQueues}`),
    ...(handSize <= 0
      ? invalid('handSize', handSize, true, 'must be positive')
      : handSize > queues
        ? invalid('handSize', handSize, true, `should not be greater than queues (${queues})`)
        : invalid(
            'handSize',
            handSize,
            bits > hashBits,
            `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${hashBits}`,
          )),
  ];
}

/** Of the mandatory levels only the shares of `exempt` can be changed. */
function validateFixed(name: string, spec: PriorityLevelConfigurationSpec): StatusCause[] {
  const fixed = Object.hasOwn(mandatoryPriorityLevels, name) ? mandatoryPriorityLevels[name] : undefined;
  if (fixed === undefined) return [];
  if (name === 'exempt')
    return equalJson({ ...spec, exempt: fixed.exempt }, fixed)
      ? []
      : [cause.invalid('spec', spec, `spec of '${name}' except the 'spec.exempt' field must equal the fixed value`)];
  return equalJson(spec, fixed) ? [] : [cause.invalid('spec', spec, `spec of '${name}' must equal the fixed value`)];
}
