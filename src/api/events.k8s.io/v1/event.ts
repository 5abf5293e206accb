/** Events are stored as the core group has them and served in both groups. */
import {
  type AnyObject,
  cause,
  qualifiedNameProblems,
  type StatusCause,
  utf8Length,
} from '../../../machinery/index.ts';
import { event } from '../../core/v1/event.ts';
import type { EventsEvent } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { named, required } from '../../rules.ts';

/** A core Event as events.k8s.io/v1 shows it. */
export function eventToV1(object: AnyObject): AnyObject {
  const {
    involvedObject,
    message,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    reportingComponent,
    eventTime,
    ...rest
  } = object;
  return defined({
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    eventTime: eventTime ?? null,
    reportingController: reportingComponent,
    regarding: involvedObject,
    note: message,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  });
}

/** The core Event of an events.k8s.io/v1 one. */
export function eventFromV1(object: AnyObject): AnyObject {
  const {
    regarding,
    note,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...rest
  } = object;
  const { reportingController, ...same } = rest;
  return defined({
    ...same,
    apiVersion: 'v1',
    involvedObject: regarding ?? {},
    reportingComponent: reportingController ?? '',
    message: note,
    source: deprecatedSource ?? {},
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  });
}

function defined(object: AnyObject): AnyObject {
  for (const name of Object.keys(object)) if (object[name] === undefined) delete object[name];
  return object;
}

const selectable = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const;

export const eventsEvent: Override<EventsEvent> = {
  selectableFields: {
    ...Object.fromEntries(
      selectable.map((field) => [`regarding.${field}`, (object: EventsEvent) => object.regarding?.[field] ?? '']),
    ),
    reason: (object) => object.reason ?? '',
    reportingController: (object) => object.reportingController ?? '',
    type: (object) => object.type ?? '',
  },
  validate(object, old): StatusCause[] {
    const inherited = event.validate?.(eventFromV1(object as AnyObject) as any, undefined) ?? [];
    // What the core group wrote has none of what this group asks for.
    if (old || !object.eventTime) return old ? inherited : [...inherited, cause.required('eventTime')];
    const causes = [...inherited, ...named('reportingController', object.reportingController, qualifiedNameProblems)];
    for (const name of ['reportingInstance', 'action', 'reason'] as const) {
      causes.push(...required(name, object[name]));
      if ((object[name]?.length ?? 0) > 128) causes.push(cause.tooLong(name, 128));
    }
    if (object.type !== 'Normal' && object.type !== 'Warning')
      causes.push(cause.invalid('type', object.type ?? '', 'has invalid value: '));
    if (utf8Length(object.note ?? '') > 1024) causes.push(cause.tooLong('message', 1024));
    return causes;
  },
  columns: event.columns?.map((column) => ({
    ...column,
    value: (object: AnyObject, now: number) => column.value(eventFromV1(object), now),
  })),
};
