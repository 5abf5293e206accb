import { cause } from '../../../machinery/index.ts';
import { age, text, wide, nameColumn } from '../../columns.ts';
import type { Event } from '../../gen/types.ts';
import type { Override } from '../../override.ts';

const involved = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const;

export const event: Override<Event> = {
  selectableFields: {
    ...Object.fromEntries(
      involved.map((field) => [`involvedObject.${field}`, (object: Event) => object.involvedObject?.[field] ?? '']),
    ),
    reason: (object) => object.reason ?? '',
    reportingComponent: (object) => object.reportingComponent ?? '',
    source: (object) => object.source?.component || object.reportingComponent || '',
    type: (object) => object.type ?? '',
  },
  validate(object) {
    const about = object.involvedObject?.namespace || 'default';
    const fits =
      object.metadata.namespace === about ||
      (!object.involvedObject?.namespace && object.metadata.namespace === 'kube-system');
    return fits
      ? []
      : [
          cause.invalid(
            'involvedObject.namespace',
            object.involvedObject?.namespace ?? '',
            'does not match event.namespace',
          ),
        ];
  },
  columns: [
    text('Last Seen', (object: Event, now) => lastSeen(object, now)),
    text('Type', (object: Event) => object.type ?? ''),
    text('Reason', (object: Event) => object.reason ?? ''),
    text('Object', ({ involvedObject: about }: Event) =>
      about.name ? `${(about.kind ?? '').toLowerCase()}/${about.name}` : (about.kind ?? '').toLowerCase(),
    ),
    wide('Subobject', (object: Event) => object.involvedObject.fieldPath ?? ''),
    wide('Source', sourceOf),
    text('Message', (object: Event) => (object.message ?? '').trim()),
    wide('First Seen', (object: Event, now) => age(object.firstTimestamp ?? object.eventTime, now)),
    wide('Count', (object: Event) => String(object.series?.count ?? (object.count || 1))),
    { ...nameColumn, priority: 1 },
  ],
};

function lastSeen({ firstTimestamp, lastTimestamp, eventTime, series }: Event, now: number): string {
  return age(series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime, now);
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const parts = source?.component ? [source.component, source.host] : [reportingComponent, reportingInstance];
  return parts.filter(Boolean).join(', ');
}
