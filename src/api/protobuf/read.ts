/** From a message's bytes to the object that a JSON client would have sent. */
import { ProtobufError } from './error.ts';
import type { Field, Message } from './layout.ts';
import { readDuration, readJson, readMicroTime, readTime, toBase64 } from './values.ts';
import type { Reader } from './wire.ts';

/** How deep messages may be nested in each other. */
export const depthLimit = 100;

export interface ReadContext {
  /** Of `apiextensions.v1.JSONSchemaProps`. */
  schema(): Message;
  /** Of bytes that begin as an envelope does. */
  embedded(bytes: Uint8Array, depth: number): unknown;
  isEnvelope(bytes: Uint8Array): boolean;
}

type Json = Record<string, unknown>;

/** Reads up to `end` into `target`. */
export function readMessage(
  context: ReadContext,
  message: Message,
  reader: Reader,
  end: number,
  depth: number,
  target: Json,
): Json {
  if (depth > depthLimit) throw new ProtobufError(`the message is nested deeper than ${depthLimit} levels`);
  const { byNumber } = message;
  // looking a field up by its name is what costs most here: writers send fields in order, so that most need none
  let highest = 0;
  let filled: Field | undefined;
  let container: unknown;
  while (reader.at < end) {
    const tag = reader.unsigned();
    const field = tag >>> 3 < byNumber.length ? byNumber[tag >>> 3] : undefined;
    if (field === undefined) {
      unknownField(reader, tag, end);
      continue;
    }
    const { form } = field;
    if (field.inline)
      readMessage(context, field.message!, reader, sizedEnd(reader, tag, end, field), depth + 1, target);
    else if (form === 'list' || form === 'map') {
      if (field !== filled) {
        filled = field;
        container = target[field.name] ??= form === 'list' ? [] : {};
      }
      if (form === 'list') readItem(context, field, reader, tag, end, depth, container as unknown[]);
      else readEntry(context, field, reader, sizedEnd(reader, tag, end, field), depth, container as Json);
    } else {
      const again = field.message !== undefined && field.number <= highest;
      if (field.number > highest) highest = field.number;
      const value = readValue(context, field, reader, tag & 7, end, depth, again ? target[field.name] : undefined);
      if (value !== undefined && !leftOut(field, value)) target[field.name] = value;
    }
  }
  if (reader.at !== end) throw overrun(reader, message.name);
  return target;
}

function unknownField(reader: Reader, tag: number, end: number): void {
  if (tag >>> 3 === 0) throw new ProtobufError(`a field has the number 0 before byte ${reader.at}`);
  reader.skip(tag & 7, end);
}

function sizedEnd(reader: Reader, tag: number, limit: number, field: Field): number {
  if ((tag & 7) !== 2) throw wrongWire(field, tag & 7);
  return reader.end(limit);
}

/** What Go's JSON form leaves out of a field that protobuf always carries. */
function leftOut(field: Field, value: unknown): boolean {
  if (field.omitEmpty)
    return value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
  return field.omitZero && field.message !== undefined && Object.keys(value as Json).length === 0;
}

function readItem(
  context: ReadContext,
  field: Field,
  reader: Reader,
  tag: number,
  end: number,
  depth: number,
  list: unknown[],
): void {
  const wire = tag & 7;
  if (wire === 2 && field.wire !== 2) {
    const last = reader.end(end);
    while (reader.at < last) list.push(readValue(context, field, reader, field.wire, last, depth, undefined));
    if (reader.at !== last) throw overrun(reader, field.name);
  } else list.push(readValue(context, field, reader, wire, end, depth, undefined) ?? null);
}

function readEntry(context: ReadContext, field: Field, reader: Reader, end: number, depth: number, map: Json): void {
  let key = '';
  let value: unknown;
  while (reader.at < end) {
    const tag = reader.unsigned();
    if (tag === 0x0a) key = reader.text(reader.end(end));
    else if (tag >>> 3 === 2) value = readValue(context, field, reader, tag & 7, end, depth, undefined);
    else unknownField(reader, tag, end);
  }
  if (reader.at !== end) throw overrun(reader, field.name);
  if (key === '__proto__') throw new ProtobufError('a field may not be named "__proto__"');
  map[key] = value ?? zeroOf(field);
}

function zeroOf({ type, message, wire }: Field): unknown {
  if (message !== undefined) return {};
  if (type === 'strings') return [];
  if (type === 'quantity') return '0';
  if (type === 'string' || type === 'bytes') return '';
  return wire === 2 ? null : 0;
}

/** `before`: the message that the same field brought earlier; the two become one. */
function readValue(
  context: ReadContext,
  field: Field,
  reader: Reader,
  wire: number,
  limit: number,
  depth: number,
  before: unknown,
): unknown {
  if (wire !== 2) return readNumber(field, reader, wire);
  const { message, type } = field;
  if (field.wire !== 2) throw wrongWire(field, wire);
  const end = reader.end(limit);
  if (message !== undefined) return readMessage(context, message, reader, end, depth + 1, (before ?? {}) as Json);
  if (type === 'string') return reader.text(end);
  const start = reader.at;
  const value = readSpecial(context, type, reader, end, depth + 1);
  if (reader.at !== end) throw overrun(reader, `${field.name} at byte ${start}`);
  return value;
}

function readNumber(field: Field, reader: Reader, wire: number): number | boolean {
  if (field.wire !== wire) throw wrongWire(field, wire);
  if (wire === 1) return finite(reader.double(), field);
  const value = reader.signed();
  if (field.type === 'bool') return value !== 0;
  return field.type === 'int32' ? value | 0 : value;
}

function finite(value: number, field: Field): number {
  if (!Number.isFinite(value)) throw new ProtobufError(`${field.name}: ${value} is not a number that JSON has`);
  return value;
}

function readSpecial(context: ReadContext, type: string, reader: Reader, end: number, depth: number): unknown {
  switch (type) {
    case 'bytes':
      return toBase64(taken(reader, end));
    case 'strings':
      return parts(reader, end, { 1: 'texts' })[1] ?? [];
    case 'quantity':
      return parts(reader, end, { 1: 'text' })[1] ?? '0';
    case 'time':
    case 'microtime': {
      if (reader.at === end) return undefined;
      const { 1: seconds = 0, 2: nanos = 0 } = parts(reader, end, { 1: 'int', 2: 'int' });
      return type === 'time' ? readTime(seconds) : readMicroTime(seconds, nanos);
    }
    case 'duration':
      return readDuration(parts(reader, end, { 1: 'int' })[1] ?? 0);
    case 'intorstring': {
      const { 1: form = 0, 2: number = 0, 3: text = '' } = parts(reader, end, { 1: 'int', 2: 'int', 3: 'text' });
      return form === 1 ? text : number | 0;
    }
    case 'raw':
    case 'json': {
      const bytes: Uint8Array | undefined = parts(reader, end, { 1: 'bytes' })[1];
      if (bytes === undefined || bytes.length === 0) return undefined;
      return type === 'raw' && context.isEnvelope(bytes) ? context.embedded(bytes, depth) : readJson(bytes);
    }
    default:
      return readSchemaOr(context, type, reader, end, depth);
  }
}

/** A schema, or a list of them, or a boolean, or names of fields: whichever is there. */
function readSchemaOr(context: ReadContext, type: string, reader: Reader, end: number, depth: number): unknown {
  let schema: Json | undefined;
  const schemas: Json[] = [];
  const names: string[] = [];
  let allowed = false;
  const schemaNumber = type === 'schemaorbool' ? 2 : 1;
  while (reader.at < end) {
    const tag = reader.unsigned();
    if (tag >>> 3 === schemaNumber && (tag & 7) === 2)
      schema = readMessage(context, context.schema(), reader, reader.end(end), depth, schema ?? {});
    else if (type === 'schemaorbool' && tag === 0x08) allowed = reader.signed() !== 0;
    else if (type === 'schemaorarray' && tag === 0x12)
      schemas.push(readMessage(context, context.schema(), reader, reader.end(end), depth, {}));
    else if (type === 'schemaorstrings' && tag === 0x12) names.push(reader.text(reader.end(end)));
    else unknownField(reader, tag, end);
  }
  if (type === 'schemaorbool') return schema ?? allowed;
  if (schemas.length > 0) return schemas;
  return names.length > 0 ? names : schema;
}

function taken(reader: Reader, end: number): Uint8Array {
  const bytes = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return bytes;
}

type Part = 'int' | 'text' | 'texts' | 'bytes';

/** The few fields of a message that JSON shows as one value. */
function parts(reader: Reader, end: number, known: Record<number, Part>): Record<number, any> {
  const found: Record<number, any> = {};
  while (reader.at < end) {
    const tag = reader.unsigned();
    const number = tag >>> 3;
    const part = known[number];
    if (part === 'int' && (tag & 7) === 0) found[number] = reader.signed();
    else if (part !== undefined && part !== 'int' && (tag & 7) === 2) {
      const last = reader.end(end);
      if (part === 'bytes') found[number] = taken(reader, last);
      else if (part === 'text') found[number] = reader.text(last);
      else (found[number] ??= []).push(reader.text(last));
    } else unknownField(reader, tag, end);
  }
  return found;
}

function wrongWire(field: Field, wire: number): ProtobufError {
  return new ProtobufError(
    `field ${field.number} (${field.name}) has wire type ${wire}, which a ${field.type} has not`,
  );
}

function overrun(reader: Reader, what: string): ProtobufError {
  return new ProtobufError(`${what} ends in the middle of a field, before byte ${reader.at}`);
}
