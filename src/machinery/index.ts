/**
 * The language that every part speaks: metadata, selectors, quantities, patches, apply, Status errors, time. It knows no
 * kind and does no I/O; it leans on nothing, so any part, and the browser, can use it.
 */
export * from './meta.ts';
export * from './schema.ts';
export * from './status.ts';
export * from './time.ts';
export { systemClock, systemRandom } from './clock.ts';
export { VirtualClock, type VirtualClockOptions } from './virtualclock.ts';
export * from './json.ts';
export * from './quantity.ts';
export { Reader as WireReader, Writer as WireWriter } from './wire.ts';
export * from './names.ts';
export * from './selector.ts';
export * from './selectorparser.ts';
export * from './fieldselector.ts';
export * from './jsonpatch.ts';
export * from './mergepatch.ts';
export { formatPointer, parsePointer } from './jsonpointer.ts';
export { type ManagedUpdate, updateManagedFields } from './managedfields.ts';
export { type Apply, applyPatch } from './apply.ts';
export { equalFields, type FieldStep, fieldsOfPaths, formatFieldPath, hasField, pathsOf } from './fieldset.ts';
export { applyStrategicPatch } from './strategicpatch.ts';
export * from './metrics.ts';
export * from './duration.ts';
