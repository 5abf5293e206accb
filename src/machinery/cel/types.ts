/** The types of expressions. A type is a value, too: `type(1) == int`. */

export type Kind =
  | 'dyn'
  | 'null'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'timestamp'
  | 'duration'
  | 'list'
  | 'map'
  | 'type'
  | 'struct'
  | 'opaque'
  | 'param'
  | 'error';

/** A field of a struct. */
export interface Field {
  readonly type: Type;
  /** The name of the field in the JSON object; the name in expressions may be an escaped form of it. */
  readonly key: string;
  /** Turns what the JSON object holds into a value; absent when it is one already. */
  readonly adapt?: (raw: unknown) => unknown;
}

/** The fields of a struct; given when they are asked for, since schemas may refer to themselves. */
export interface Fields {
  get(name: string): Field | undefined;
  /** Whether its JSON objects can be read as they are: no field is renamed or needs adapting, at any depth. */
  readonly plain: boolean;
}

export class Type {
  readonly kind: Kind;
  readonly name: string;
  readonly params: readonly Type[];
  readonly fields: Fields | undefined;
  constructor(kind: Kind, name: string, params: readonly Type[] = [], fields?: Fields) {
    this.kind = kind;
    this.name = name;
    this.params = params;
    this.fields = fields;
  }

  toString(): string {
    return formatType(this);
  }
}

export const dynType = new Type('dyn', 'dyn');
export const nullType = new Type('null', 'null_type');
export const boolType = new Type('bool', 'bool');
export const intType = new Type('int', 'int');
export const uintType = new Type('uint', 'uint');
export const doubleType = new Type('double', 'double');
export const stringType = new Type('string', 'string');
export const bytesType = new Type('bytes', 'bytes');
export const timestampType = new Type('timestamp', 'google.protobuf.Timestamp');
export const durationType = new Type('duration', 'google.protobuf.Duration');
export const errorType = new Type('error', '!error!');
export const typeType = new Type('type', 'type');
export const listType = (element: Type) => new Type('list', 'list', [element]);
export const mapType = (key: Type, value: Type) => new Type('map', 'map', [key, value]);
export const typeOf = (type: Type) => new Type('type', 'type', [type]);
export const paramType = (name: string) => new Type('param', name);
export const opaqueType = (name: string, ...params: Type[]) => new Type('opaque', name, params);
export const optionalType = (type: Type) => opaqueType('optional_type', type);
/** A type of which values are made with `Name{field: value}`, or that a JSON object has. */
export const structType = (name: string, fields: Fields) => new Type('struct', name, [], fields);

export const isDyn = (type: Type) => type.kind === 'dyn' || type.kind === 'error';
export const isOptional = (type: Type) => type.kind === 'opaque' && type.name === 'optional_type';

export function unwrapOptional(type: Type): Type {
  return isOptional(type) ? (type.params[0] as Type) : type;
}

export function sameType(a: Type, b: Type): boolean {
  return (
    a === b ||
    (a.kind === b.kind &&
      a.name === b.name &&
      a.params.length === b.params.length &&
      a.params.every((param, i) => sameType(param, b.params[i] as Type)))
  );
}

/** As the checker's messages show it. */
export function formatType(type: Type): string {
  if (type.kind === 'timestamp' || type.kind === 'duration' || type.kind === 'null') return type.kind;
  if (type.params.length === 0) return type.name;
  return `${type.name}(${type.params.map(formatType).join(', ')})`;
}

const simple = new Map(
  [dynType, boolType, intType, uintType, doubleType, stringType, bytesType].map((type) => [type.name, type] as const),
);
simple.set('null', nullType).set('timestamp', timestampType).set('duration', durationType).set('type', typeType);

/**
 * Reads a type as declarations write it: `int`, `list(A)`, `map(K, V)`, `optional(A)`, `type(A)`, `net.IP`. A single capital
 * letter is a parameter; a name that is not the language's own is looked up in `known`, else opaque.
 */
export function parseType(text: string, known?: ReadonlyMap<string, Type>): Type {
  const open = text.indexOf('(');
  if (open < 0) {
    if (/^[A-Z]$/.test(text)) return paramType(text);
    return simple.get(text) ?? known?.get(text) ?? opaqueType(text);
  }
  const params = splitTypes(text.slice(open + 1, -1)).map((param) => parseType(param, known));
  const name = text.slice(0, open);
  const first = params[0] as Type;
  if (name === 'list') return listType(first);
  if (name === 'map') return mapType(first, params[1] as Type);
  if (name === 'type') return typeOf(first);
  return name === 'optional' ? optionalType(first) : opaqueType(name, ...params);
}

/** `a, b(c, d)` to `a` and `b(c, d)`. */
export function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')') depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  return last === '' ? parts : [...parts, last];
}
