import { cause, type StatusCause } from '../../../machinery/index.ts';
import {
  age,
  ageColumn,
  boolean,
  containerColumns,
  formatSelector,
  integer,
  nameColumn,
  orNone,
  text,
  wide,
} from '../../columns.ts';
import type { CronJob } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { nonNegative, oneOf, required } from '../../rules.ts';
import { defaultJobSpec, validateJobSpec } from './job.ts';

export const cronJob: Override<CronJob> = {
  countsGenerations: true,
  default({ spec }) {
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec) {
      const own = { ...spec.jobTemplate.spec };
      defaultJobSpec(spec.jobTemplate.spec);
      // Those two are each Job's own to fill.
      if (own.manualSelector === undefined) delete spec.jobTemplate.spec.manualSelector;
    }
  },
  prepare(object, old) {
    if (!old) object.status = {};
  },
  validate: ({ metadata, spec }, old) => [
    ...validateSchedule(spec),
    ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
    ...(spec.timeZone !== old?.spec.timeZone ? validateTimeZone(spec.timeZone) : []),
    ...oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
    ...validateJobSpec(spec.jobTemplate?.spec ?? { template: {} }, 'spec.jobTemplate.spec'),
    ...(spec.jobTemplate?.spec?.selector
      ? [
          cause.invalid(
            'spec.jobTemplate.spec.selector',
            spec.jobTemplate.spec.selector,
            '`selector` will be auto-generated',
          ),
        ]
      : []),
    ...(spec.jobTemplate?.spec?.manualSelector
      ? [cause.notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false'])]
      : []),
    ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
    ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    ...((metadata.name?.length ?? 0) > 52
      ? [cause.invalid('metadata.name', metadata.name, 'must be no more than 52 characters')]
      : []),
  ],
  columns: [
    nameColumn,
    text('Schedule', ({ spec }: CronJob) => spec.schedule ?? ''),
    text('Timezone', ({ spec }: CronJob) => orNone(spec.timeZone)),
    boolean('Suspend', ({ spec }: CronJob) => spec.suspend),
    integer('Active', ({ status }: CronJob) => status?.active?.length),
    text('Last Schedule', ({ status }: CronJob, now) =>
      status?.lastScheduleTime ? age(status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn,
    ...containerColumns(({ spec }: CronJob) => spec.jobTemplate?.spec?.template?.spec?.containers),
    wide('Selector', ({ spec }: CronJob) => formatSelector(spec.jobTemplate?.spec?.selector)),
  ],
};

const fields: [name: string, least: number, most: number, words: string[]][] = [
  ['minute', 0, 59, []],
  ['hour', 0, 23, []],
  ['day of month', 1, 31, []],
  ['month', 1, 12, ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']],
  ['day of week', 0, 6, ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']],
];

function validateSchedule({ schedule }: CronJob['spec']): StatusCause[] {
  if (!schedule) return required('spec.schedule', schedule);
  const problem = scheduleProblem(schedule);
  const causes = problem === undefined ? [] : [cause.invalid('spec.schedule', schedule, problem)];
  if (schedule.includes('TZ'))
    causes.push(
      cause.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    );
  return causes;
}

/** What is wrong with a schedule: five fields, or one of the words with an `@`. */
function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S+\s+/, '').trim();
  if (text.startsWith('@')) {
    const known = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(text) || /^@every \S+$/.test(text);
    return known ? undefined : `unrecognized descriptor: ${text}`;
  }
  const parts = text.split(/\s+/);
  if (parts.length !== 5) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, part] of parts.entries()) {
    const problem = part
      .split(',')
      .map((range) => rangeProblem(range, fields[i]!))
      .find(Boolean);
    if (problem) return problem;
  }
  return undefined;
}

function rangeProblem(range: string, [name, least, most, words]: (typeof fields)[number]): string | undefined {
  const [span = '', step, ...rest] = range.split('/');
  if (rest.length > 0) return `too many slashes: ${range}`;
  if (step !== undefined && !(Number(step) > 0)) return `step of range should be a positive number: ${range}`;
  if (span === '*' || span === '?') return undefined;
  const ends = span
    .split('-')
    .map((end) =>
      words.includes(end.toLowerCase())
        ? words.indexOf(end.toLowerCase()) + least
        : /^\d+$/.test(end)
          ? Number(end)
          : Number.NaN,
    );
  if (ends.length > 2) return `too many hyphens: ${range}`;
  if (ends.some(Number.isNaN)) return `failed to parse int from ${span}`;
  const [from = 0, to = from] = ends;
  if (from < least) return `beginning of range (${from}) below minimum (${least}): ${range}`;
  if (to > most) return `end of range (${to}) above maximum (${most}): ${range}`;
  return from > to ? `beginning of range (${from}) beyond end of range (${to}): ${range} (${name})` : undefined;
}

function validateTimeZone(zone: string | undefined): StatusCause[] {
  if (zone === undefined) return [];
  if (zone === '') return [cause.invalid('spec.timeZone', zone, 'timeZone must be nil or non-empty string')];
  if (zone.toLowerCase() === 'local')
    return [
      cause.invalid(
        'spec.timeZone',
        zone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    ];
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return [];
  } catch {
    return [cause.invalid('spec.timeZone', zone, `unknown time zone ${zone}`)];
  }
}
