/**
 * The JSON that is stored of an object. A write changes little of what was there: what stays is copied from the revision before it, as bytes.
 */
import { type AnyObject, isObject } from '../../machinery/index.ts';
import type { Put } from '../../store/index.ts';

/** An object, its JSON, and where in it the parts end that the next revision may copy. */
export class Written {
  readonly object: AnyObject;
  readonly bytes: Buffer;
  /** Behind `"metadata":{…}` and behind `"spec":{…}`; 0 where the object is more than metadata, spec and status. */
  readonly metadataEnd: number;
  readonly specEnd: number;

  constructor(object: AnyObject, bytes: Buffer, metadataEnd: number, specEnd: number) {
    this.object = object;
    this.bytes = bytes;
    this.metadataEnd = metadataEnd;
    this.specEnd = specEnd;
  }
}

/** To be written. `before`: what is stored now; what `object` shares with it is copied. */
export function putOf(key: string, object: AnyObject, before?: { written: Written | undefined }): Put {
  const written = write(object, before?.written);
  return { key, value: written.bytes, attachment: written };
}

export function write(object: AnyObject, before?: Written): Written {
  return (before && writeOver(object, before)) ?? writeWhole(object);
}

/**
 * The JSON that is stored: without a resourceVersion, which is the revision of the write and known only after it. The order of the
 * fields is fixed so that the place to put it at is known without reading.
 */
export function storedBytes(object: AnyObject): Buffer {
  return writeWhole(object).bytes;
}

/** What stands before the first field of the metadata, and nowhere else before that. */
export const opening = '"metadata":{';

/** Field by field: the engine writes several short texts in half the time that it takes for one of more than a page. */
function writeWhole(object: AnyObject): Written {
  const { kind, apiVersion, metadata } = object;
  let text = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${fieldsOf(metadata)}`;
  const metadataEnd = text.length;
  let specEnd = 0;
  let isPlain = true;
  for (const name in object) {
    const value: unknown = object[name];
    if (value === undefined || name === 'kind' || name === 'apiVersion' || name === 'metadata') continue;
    text += `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
    if (name === 'spec' && specEnd === 0) specEnd = text.length;
    else if (name !== 'status' || specEnd === 0) isPlain = false;
  }
  text += '}';
  const length = Buffer.byteLength(text);
  const bytes = roomFor(length);
  bytes.write(text);
  // places are counted in characters
  const isKnown = isPlain && specEnd > 0 && length === text.length;
  return isKnown ? new Written(object, bytes, metadataEnd, specEnd) : new Written(object, bytes, 0, 0);
}

/** Undefined: too little stays. */
function writeOver(object: AnyObject, before: Written): Written | undefined {
  const { object: was, bytes: old, metadataEnd, specEnd } = before;
  if (specEnd === 0 || !isPlain(object) || object.kind !== was.kind || object.apiVersion !== was.apiVersion)
    return undefined;
  const inMetadata = added(was.metadata, object.metadata, true);
  const inSpec = added(was.spec, object.spec, false);
  if (inMetadata === undefined && inSpec === undefined) return undefined;
  const metadataText = inMetadata ?? fieldsOf(object.metadata);
  const specText = inSpec ?? JSON.stringify(object.spec);
  const sameStatus = object.status === was.status;
  const statusText = sameStatus
    ? ''
    : object.status === undefined
      ? '}'
      : `,"status":${JSON.stringify(object.status)}}`;
  // places are counted in characters
  if (!isNarrow(metadataText) || !isNarrow(specText)) return undefined;

  const metadataFrom = inMetadata === undefined ? old.indexOf(opening) + opening.length - 1 : metadataEnd;
  const specFrom = inSpec === undefined ? metadataEnd + ',"spec":'.length : specEnd;
  // what is added comes before the brace at the end
  const metadataCut = inMetadata ? 1 : 0;
  const specCut = inSpec ? 1 : 0;
  const newMetadataEnd = metadataFrom + metadataText.length;
  const newSpecEnd = newMetadataEnd + (specFrom - metadataEnd) + specText.length;
  const bytes = roomFor(newSpecEnd + (sameStatus ? old.length - specEnd : Buffer.byteLength(statusText)));
  old.copy(bytes, 0, 0, metadataFrom - metadataCut);
  if (metadataText !== '') bytes.write(metadataText, metadataFrom - metadataCut, 'latin1');
  if (metadataCut) bytes[newMetadataEnd - 1] = brace;
  old.copy(bytes, newMetadataEnd, metadataEnd, specFrom - specCut);
  if (specText !== '') bytes.write(specText, newSpecEnd - specText.length - specCut, 'latin1');
  if (specCut) bytes[newSpecEnd - 1] = brace;
  if (sameStatus) old.copy(bytes, newSpecEnd, specEnd);
  else bytes.write(statusText, newSpecEnd);
  return new Written(object, bytes, newMetadataEnd, newSpecEnd);
}

const brace = '}'.charCodeAt(0);

function isPlain(object: AnyObject): boolean {
  for (const name in object) if (!plain.has(name) && object[name] !== undefined) return false;
  return object.spec !== undefined;
}

const plain = new Set(['kind', 'apiVersion', 'metadata', 'spec', 'status']);

function isNarrow(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** What `next` has beyond `before`, as JSON to be put behind that; undefined when something of `before` has gone or is another. */
function added(before: unknown, next: unknown, isMetadata: boolean): string | undefined {
  if (!isObject(before) || !isObject(next)) return undefined;
  let text = '';
  let kept = 0;
  for (const name in next) {
    const value = next[name];
    if (value === undefined || (isMetadata && name === 'resourceVersion')) continue;
    const was = before[name];
    if (was === undefined) text += `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
    else if (was === value) kept++;
    else return undefined;
  }
  if (kept === 0) return undefined;
  for (const name in before) if (before[name] !== undefined && !(isMetadata && name === 'resourceVersion')) kept--;
  return kept === 0 ? text : undefined;
}

/** Of the metadata. */
function fieldsOf(fields: object): string {
  let text = '{';
  for (const name in fields) {
    const value = (fields as Record<string, unknown>)[name];
    if (value === undefined || name === 'resourceVersion') continue;
    text += `${text.length > 1 ? ',' : ''}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  return `${text}}`;
}

/** Not of Node's pool: what is kept for long would hold on to all that was short-lived beside it. */
function roomFor(length: number): Buffer {
  return Buffer.allocUnsafeSlow(length);
}
