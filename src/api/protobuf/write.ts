/**
 * From an object to its message, byte for byte as Go writes it: fields by their number, zero values too where Go has no pointer, maps
 * sorted by key.
 */
import { canonicalQuantity, isObject } from '../../machinery/index.ts';
import { ProtobufError } from './error.ts';
import type { Field, Message } from './layout.ts';
import { depthLimit } from './read.ts';
import { fromBase64, parseDuration, parseTime } from './values.ts';
import type { Writer } from './writer.ts';

export interface WriteContext {
  /** Of `apiextensions.v1.JSONSchemaProps`. */
  schema(): Message;
}

/** Fields that `object` has and `message` has not are left out. */
export function writeMessage(
  context: WriteContext,
  message: Message,
  writer: Writer,
  object: unknown,
  depth: number,
): void {
  if (depth > depthLimit) throw new ProtobufError(`the object is nested deeper than ${depthLimit} levels`);
  if (object !== undefined && !isObject(object)) throw wrong(message.name, object, 'an object');
  const { fields } = message;
  for (let i = fields.length - 1; i >= 0; i--) {
    const field = fields[i]!;
    const value = (field.inline ? object : object?.[field.name]) ?? undefined;
    if (field.form === 'value') {
      if (value !== undefined || !absentAsNil(field)) writeField(context, field, writer, value, depth);
    } else if (value === undefined) continue;
    else if (field.form === 'list') writeList(context, field, writer, value, depth);
    else if (field.form === 'map') writeMap(context, field, writer, value, depth);
    else writeField(context, field, writer, value, depth);
  }
}

/** Go's lists are nil without being pointers. */
function absentAsNil({ type }: Field): boolean {
  return type === 'bytes' || type === 'strings';
}

function writeList(context: WriteContext, field: Field, writer: Writer, value: unknown, depth: number): void {
  if (!Array.isArray(value)) throw wrong(field.name, value, 'a list');
  for (let i = value.length - 1; i >= 0; i--) writeField(context, field, writer, value[i] ?? undefined, depth);
}

function writeMap(context: WriteContext, field: Field, writer: Writer, value: unknown, depth: number): void {
  if (!isObject(value)) throw wrong(field.name, value, 'an object');
  const keys = Object.keys(value).toSorted();
  const entry = { ...field, number: 2 };
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!;
    const before = writer.size;
    writeField(context, entry, writer, value[key] ?? undefined, depth);
    const keyBefore = writer.size;
    writer.text(key);
    close(writer, 1, keyBefore);
    close(writer, field.number, before);
  }
}

/** Puts the length of what was written since `before`, and the number of its field, in front of it. */
function close(writer: Writer, number: number, before: number): void {
  writer.unsigned(writer.size - before);
  writer.unsigned(number * 8 + 2);
}

/** One value with its field number; `undefined` is the zero value. */
function writeField(context: WriteContext, field: Field, writer: Writer, value: unknown, depth: number): void {
  const { type, number } = field;
  if (type === 'bool' || type === 'int32' || type === 'int64') {
    writer.signed(type === 'bool' ? Number(boolean(field, value)) : integer(field, value));
    return writer.unsigned(number * 8);
  }
  if (type === 'double') {
    if (value !== undefined && typeof value !== 'number') throw wrong(field.name, value, 'a number');
    writer.double(value ?? 0);
    return writer.unsigned(number * 8 + 1);
  }
  const before = writer.size;
  if (field.message !== undefined) writeMessage(context, field.message, writer, value, depth + 1);
  else if (type === 'string') writer.text(text(field.name, value ?? ''));
  else if (type === 'bytes') writer.bytes(base64(field, value ?? ''));
  else writeSpecial(context, field, writer, value, depth + 1);
  close(writer, number, before);
}

function writeSpecial(context: WriteContext, field: Field, writer: Writer, value: unknown, depth: number): void {
  switch (field.type) {
    case 'quantity':
      return part(writer, 1, () => writer.text(quantity(field, value ?? '0')));
    case 'strings':
      if (value !== undefined && !Array.isArray(value)) throw wrong(field.name, value, 'a list');
      for (const one of (value ?? []).toReversed()) part(writer, 1, () => writer.text(text(field.name, one)));
      return;
    case 'time':
    case 'microtime':
      return writeTime(field, writer, value);
    case 'duration':
      writer.signed(duration(field, value ?? '0s'));
      return writer.unsigned(0x08);
    case 'intorstring':
      part(writer, 3, () => writer.text(typeof value === 'string' ? value : ''));
      writer.signed(typeof value === 'string' ? 0 : integer(field, value));
      writer.unsigned(0x10);
      writer.unsigned(typeof value === 'string' ? 1 : 0);
      return writer.unsigned(0x08);
    case 'raw':
    case 'json':
      if (value === undefined) return;
      return part(writer, 1, () =>
        value instanceof Uint8Array ? writer.bytes(value) : writer.text(JSON.stringify(value)),
      );
    default:
      return writeSchemaOr(context, field, writer, value, depth);
  }
}

function writeSchemaOr(
  context: WriteContext,
  { type, name }: Field,
  writer: Writer,
  value: unknown,
  depth: number,
): void {
  const schema = (number: number, one: unknown) =>
    part(writer, number, () => writeMessage(context, context.schema(), writer, one ?? undefined, depth));
  if (type === 'schemaorbool') {
    if (isObject(value)) schema(2, value);
    else if (value !== undefined && typeof value !== 'boolean') throw wrong(name, value, 'a schema or a boolean');
    writer.unsigned(value === undefined || value === false ? 0 : 1);
    writer.unsigned(0x08);
  } else if (Array.isArray(value)) {
    for (const one of value.toReversed())
      if (type === 'schemaorarray') schema(2, one);
      else part(writer, 2, () => writer.text(text(name, one)));
  } else if (value !== undefined) schema(1, value);
}

function part(writer: Writer, number: number, write: () => void): void {
  const before = writer.size;
  write();
  close(writer, number, before);
}

function writeTime(field: Field, writer: Writer, value: unknown): void {
  if (value === undefined) return;
  const time = parseTime(text(field.name, value));
  if (time === undefined) throw wrong(field.name, value, 'an RFC 3339 time');
  writer.signed(field.type === 'time' ? 0 : Math.floor(time.nanos / 1000) * 1000);
  writer.unsigned(0x10);
  writer.signed(time.seconds);
  writer.unsigned(0x08);
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrong(name, value, 'a string');
  return value;
}

function boolean({ name }: Field, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw wrong(name, value, 'a boolean');
  return value ?? false;
}

function integer({ name }: Field, value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong(name, value, 'a whole number');
  return value;
}

function base64({ name }: Field, value: unknown): Uint8Array {
  const bytes = fromBase64(text(name, value));
  if (bytes === undefined) throw wrong(name, value, 'base64');
  return bytes;
}

function quantity({ name }: Field, value: unknown): string {
  const canonical = typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(value) : undefined;
  if (canonical === undefined) throw wrong(name, value, 'a quantity');
  return canonical;
}

function duration({ name }: Field, value: unknown): number {
  const nanos = parseDuration(text(name, value));
  if (nanos === undefined) throw wrong(name, value, 'a duration');
  return nanos;
}

/** Names the kind of value and not the value: it may be a secret. */
function wrong(name: string, value: unknown, wanted: string): ProtobufError {
  const found = Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value;
  return new ProtobufError(`${name}: a value (${found}) is not ${wanted}, as its protobuf form needs`);
}
