/** Events are stored as the core group has them and served in both groups. */
import type { AnyObject } from '../../../machinery/index.ts';

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
