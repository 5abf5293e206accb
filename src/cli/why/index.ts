/**
 * Why an object is as it is: what came about, from the apply that began it to the first line of its log, who did it, and what it waits for. All
 * of it is read through the API that every Kubernetes has; Glasshouse adds milliseconds.
 */
export { discover, kindCalled } from './kinds.ts';
export { getOrNone, isPod, relatedTo, type Thing, thingOf, titleOf } from './things.ts';
export { historyOf } from './history.ts';
export { type Step, timelineOf } from './timeline.ts';
export { type Wait, waitsOf } from './waiting.ts';
export { duration } from './words.ts';
