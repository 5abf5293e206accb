/**
 * The protobuf form of OpenAPI v2 (the messages of openapiv2/OpenAPIv2.proto in github.com/google/gnostic-models), which is the only form of it
 * that Go clients ask for. A field has a number and a form; what the messages have no field for is left out.
 */

type Json = Record<string, unknown>;
type Write = (value: never) => Buffer;
/** Number and form. With `many`, a list is written as one field after another; `named`, a map as pairs of `name` (1) and `value` (2). */
type Field = readonly [number: number, write: Write, how?: 'many' | 'named'];

const varint = 0;
const fixed = 1;
const bytes = 2;
const wireTypes = new Map<Write, number>();

function writer<T>(wire: number, write: (value: T) => Buffer): Write {
  wireTypes.set(write as Write, wire);
  return write as Write;
}

const text = writer(bytes, (value: string) => Buffer.from(value));
const flag = writer(varint, (value: boolean) => varintOf(value ? 1n : 0n));
const whole = writer(varint, (value: number) => varintOf(BigInt.asUintN(64, BigInt(Math.trunc(value)))));
const double = writer(fixed, (value: number) => {
  const written = Buffer.alloc(8);
  written.writeDoubleLE(value);
  return written;
});
/** Anything: as YAML, which JSON is. */
const any = writer(bytes, (value: unknown) => field(2, text, `${JSON.stringify(value)}\n`));

function varintOf(value: bigint): Buffer {
  const out: number[] = [];
  for (; value > 0x7fn; value >>= 7n) out.push(Number(value & 0x7fn) | 0x80);
  out.push(Number(value));
  return Buffer.from(out);
}

function field(number: number, write: Write, value: unknown): Buffer {
  const wire = wireTypes.get(write)!;
  const written = write(value as never);
  return wire === bytes ? delimited(number, written) : Buffer.concat([keyOf(number, wire), written]);
}

function keyOf(number: number, wire: number): Buffer {
  return varintOf(BigInt(number * 8 + wire));
}

function delimited(number: number, written: Buffer): Buffer {
  return Buffer.concat([keyOf(number, bytes), varintOf(BigInt(written.length)), written]);
}

/** `extensions`: the number under which fields whose names begin with `x-` go. */
function message(fields: () => Record<string, Field>, extensions?: number): Write {
  let known: Record<string, Field> | undefined;
  return writer(bytes, (value: Json) => {
    known ??= fields();
    const out: Buffer[] = [];
    for (const [name, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      const found = Object.hasOwn(known, name) ? known[name] : undefined;
      if (found !== undefined) out.push(...written(found, inner));
      else if (extensions !== undefined && name.startsWith('x-')) out.push(named(extensions, any, name, inner));
    }
    return Buffer.concat(out);
  });
}

function written([number, write, how]: Field, value: unknown): Buffer[] {
  if (how === 'many') return (value as unknown[]).map((one) => field(number, write, one));
  if (how === 'named') return Object.entries(value as Json).map(([name, one]) => named(number, write, name, one));
  return [field(number, write, value)];
}

function named(number: number, write: Write, name: string, value: unknown): Buffer {
  return delimited(number, Buffer.concat([field(1, text, name), field(2, write, value)]));
}

/** In a message of its own, under one number. */
function within(number: number, write: Write, how?: 'many' | 'named'): Write {
  return writer(bytes, (value: unknown) => Buffer.concat(written([number, write, how], value)));
}

const orList = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

const additional = writer(bytes, (value: unknown) =>
  typeof value === 'boolean' ? field(2, flag, value) : field(1, schema, value),
);
const types = writer(bytes, (value: string | string[]) =>
  Buffer.concat(orList(value).map((one) => field(1, text, one))),
);
const items = writer(bytes, (value: Json | Json[]) => Buffer.concat(orList(value).map((one) => field(1, schema, one))));

const schema: Write = message(
  () => ({
    $ref: [1, text],
    format: [2, text],
    title: [3, text],
    description: [4, text],
    default: [5, any],
    multipleOf: [6, double],
    maximum: [7, double],
    exclusiveMaximum: [8, flag],
    minimum: [9, double],
    exclusiveMinimum: [10, flag],
    maxLength: [11, whole],
    minLength: [12, whole],
    pattern: [13, text],
    maxItems: [14, whole],
    minItems: [15, whole],
    uniqueItems: [16, flag],
    maxProperties: [17, whole],
    minProperties: [18, whole],
    required: [19, text, 'many'],
    enum: [20, any, 'many'],
    additionalProperties: [21, additional],
    type: [22, types],
    items: [23, items],
    allOf: [24, schema, 'many'],
    properties: [25, within(1, schema, 'named')],
    readOnly: [27, flag],
    example: [30, any],
  }),
  31,
);

const bodyParameter = message(() => ({
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schema],
}));
const queryParameter = message(() => ({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  format: [7, text],
  uniqueItems: [21, flag],
}));
const pathParameter = message(() => ({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  format: [6, text],
  uniqueItems: [19, flag],
}));
const inQuery = within(2, within(3, queryParameter));
const inPath = within(2, within(4, pathParameter));
const inBody = within(1, bodyParameter);

const parameter = writer(bytes, (value: Json) =>
  field(1, value.in === 'body' ? inBody : value.in === 'path' ? inPath : inQuery, value),
);

const response = message(() => ({ description: [1, text], schema: [2, within(1, schema)] }), 5);
const operation = message(
  () => ({
    tags: [1, text, 'many'],
    summary: [2, text],
    description: [3, text],
    operationId: [5, text],
    produces: [6, text, 'many'],
    consumes: [7, text, 'many'],
    parameters: [8, parameter, 'many'],
    responses: [9, within(1, within(1, response), 'named')],
    schemes: [10, text, 'many'],
    deprecated: [11, flag],
  }),
  13,
);
const pathItem = message(
  () => ({
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    options: [6, operation],
    head: [7, operation],
    patch: [8, operation],
    parameters: [9, parameter, 'many'],
  }),
  10,
);

const info = message(() => ({ title: [1, text], version: [2, text], description: [3, text] }));

export function protobufHead(about: { title: string; version: string }): Buffer {
  return Buffer.concat([field(1, text, '2.0'), field(2, info, about)]);
}

const path = within(2, pathItem, 'named');
const definition = within(1, schema, 'named');

/** Messages of one field that follow each other are one message: each path and definition stands for itself. */
export function protobufPath(name: string, item: object): Buffer {
  return field(8, path, { [name]: item });
}

export function protobufDefinition(name: string, body: object): Buffer {
  return field(9, definition, { [name]: body });
}
