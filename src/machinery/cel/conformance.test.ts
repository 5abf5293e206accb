/** The official cases of the language, as far as they need no protocol buffers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal } from './compare.ts';
import {
  bindLibrary,
  boolType,
  bytesType,
  compile,
  doubleType,
  Duration,
  durationType,
  dynType,
  encodersLibrary,
  type Environment,
  intType,
  listType,
  mapType,
  mathLibrary,
  nullType,
  opaqueType,
  standardEnvironment,
  stringType,
  Timestamp,
  timestampType,
  type Type,
  typeOf,
  uintType,
} from './index.ts';
import { twoVariableLibrary } from './library/comprehensions.ts';
import { listsExtension } from './library/lists.ts';
import { optionalLibrary } from './library/optionals.ts';
import { stringReverse, stringsLibrary } from './library/strings.ts';
import { CelMap, Double, intOf, mapKey, Uint } from './values.ts';

/** Suites that are about protocol buffers, or about what Kubernetes does not have. */
const left = new Set(['block_ext', 'dynamic', 'enums', 'proto2', 'proto2_ext', 'proto3', 'unknowns', 'wrappers']);
const messages =
  /TestAllTypes|google\.protobuf\.(?!Timestamp|Duration)|NestedTestAllTypes|GlobalEnum|`|proto\.|cel\.expr\.conformance/;

/** Where Kubernetes' version of cel-go differs from the cases, and we with it: by name, with the reason. */
const differing = new Map<string, string>();
const differ = (reason: string, suite: string, ...names: string[]): void => {
  for (const name of names) differing.set(`${suite}/${name}`, reason);
};
differ(
  'of equal keys the last one counts',
  'fields/qualified_identifier_resolution',
  'map_value_repeat_key',
  'map_value_repeat_key_heterogeneous',
);
differ(
  'what has no fields has no such field',
  'optionals/optionals',
  'map_null_entry_no_such_key',
  'map_present_key_invalid_field',
);
differ(
  'an offset beyond the end finds nothing',
  'string_ext/value_errors',
  'indexof_out_of_range',
  'lastindexof_out_of_range',
);
differ(
  'the older form of format: numbers are written as in English, values in lists as in expressions',
  'string_ext/format',
  'scientific notation formatting clause',
  'default precision for scientific notation',
  'positive infinity support for scientific notation',
  'negative infinity support for scientific notation',
  'NaN support for decimal',
  'positive infinity support for decimal',
  'negative infinity support for decimal',
  'positive infinity support for fixed-point',
  'negative infinity support for fixed-point',
  'list support for string',
  'map support for string',
  'map support (all key types)',
  'dyntype support for scientific notation',
  'dyntype NaN/infinity support',
  'dyntype support for lists',
  'dyntype support for maps',
  'scientific notation formatting clause in a string variable',
);

interface ProtoValue {
  readonly kind: { readonly case: string; readonly value: any };
}

function valueOf({ kind }: ProtoValue): unknown {
  switch (kind.case) {
    case 'nullValue':
      return null;
    case 'int64Value':
      return intOf(kind.value);
    case 'uint64Value':
      return new Uint(kind.value);
    case 'doubleValue':
      return new Double(kind.value);
    case 'listValue':
      return kind.value.values.map(valueOf);
    case 'mapValue':
      return mapOf(kind.value.entries);
    case 'typeValue':
      return standardEnvironment.types.get(kind.value);
    case 'objectValue':
      return objectOf(kind.value);
    default:
      return kind.value;
  }
}

function mapOf(entries: readonly { key: ProtoValue; value: ProtoValue }[]): CelMap {
  const map = new CelMap();
  for (const { key, value } of entries)
    map.entries.set(mapKey(valueOf(key)), { key: valueOf(key), value: valueOf(value) });
  return map;
}

function objectOf(any: { typeUrl: string; value: Uint8Array }): unknown {
  const fields = varints(any.value);
  const [seconds, nanos] = [BigInt.asIntN(64, fields.get(1) ?? 0n), BigInt.asIntN(32, fields.get(2) ?? 0n)];
  if (any.typeUrl.endsWith('Timestamp')) return new Timestamp(Number(seconds), Number(nanos));
  if (any.typeUrl.endsWith('Duration')) return new Duration(seconds * 1_000_000_000n + nanos);
  throw new Error(any.typeUrl);
}

function varints(bytes: Uint8Array): Map<number, bigint> {
  const fields = new Map<number, bigint>();
  let at = 0;
  const read = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const field = Number(read() >> 3n);
    fields.set(field, read());
  }
  return fields;
}

const primitives: Record<number, Type> = {
  1: boolType,
  2: intType,
  3: uintType,
  4: doubleType,
  5: stringType,
  6: bytesType,
};

function typeFor(type: { typeKind: { case: string; value: any } }): Type | undefined {
  const { case: kind, value } = type.typeKind;
  switch (kind) {
    case 'dyn':
      return dynType;
    case 'null':
      return nullType;
    case 'primitive':
      return primitives[value];
    case 'wellKnown':
      return [dynType, dynType, timestampType, durationType][value];
    case 'listType':
      return over(listType, value.elemType);
    case 'mapType':
      return over(mapType, value.keyType, value.valueType);
    case 'type':
      return over(typeOf, value);
    case 'abstractType':
      return over((...params) => opaqueType(value.name, ...params), ...value.parameterTypes);
    default:
      return undefined;
  }
}

function over(make: (...types: [Type, Type]) => Type, ...types: any[]): Type | undefined {
  const made = types.map(typeFor);
  return made.every((type) => type !== undefined) ? make(...(made as [Type, Type])) : undefined;
}

interface Case {
  readonly original: any;
  readonly name: string;
}

interface Suite {
  readonly name: string;
  readonly suites: readonly Suite[];
  readonly tests: readonly Case[];
}

const full = standardEnvironment.extend({
  libraries: [
    stringsLibrary,
    stringReverse,
    optionalLibrary,
    twoVariableLibrary,
    listsExtension,
    bindLibrary,
    mathLibrary,
    encodersLibrary,
  ],
});

function environmentFor(original: any): Environment | undefined {
  const variables: Record<string, Type> = {};
  for (const { name, declKind } of original.typeEnv) {
    const type = declKind.case === 'ident' ? typeFor(declKind.value.type) : undefined;
    if (!type) return undefined;
    variables[name] = type;
  }
  return full.extend({ variables, container: original.container });
}

/** Undefined when the case cannot be run here; else what is wrong, or nothing. */
function problemOf({ original }: Case): string | undefined | null {
  if (messages.test(original.expr) || original.disableMacros || original.disableCheck || original.checkOnly)
    return null;
  const { case: matcher, value: wanted } = original.resultMatcher;
  const expected = matcher === 'typedResult' ? wanted.result : wanted;
  if (matcher === 'typedResult' && !wanted.result) return null;
  if (
    JSON.stringify(expected ?? null, (_, v) => (typeof v === 'bigint' ? String(v) : v)).match(/conformance|enumValue/)
  )
    return null;
  const environment = environmentFor(original);
  if (!environment) return null;
  const bindings: Record<string, unknown> = {};
  for (const [name, { kind }] of Object.entries<any>(original.bindings)) {
    if (kind.case !== 'value') return null;
    if (
      /conformance|google\.protobuf\.(?!Timestamp|Duration)/.test(
        JSON.stringify(kind.value, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
      )
    )
      return null;
    bindings[name] = valueOf(kind.value);
  }
  const { program, ...refusal } = compile(original.expr, environment);
  const failing = matcher === 'evalError' || matcher === 'anyEvalErrors';
  if (!program) return failing ? undefined : (refusal as { message: string }).message;
  const { value, error } = program.evaluate(bindings);
  if (failing) return error === undefined ? `an error is expected, but it is ${show(value)}` : undefined;
  if (error !== undefined) return error;
  const result = matcher === undefined ? true : valueOf(expected);
  return same(value, result) ? undefined : `${show(result)} is expected, but it is ${show(value)}`;
}

function same(a: unknown, b: unknown): boolean {
  if (a instanceof Double && b instanceof Double && Number.isNaN(a.value)) return Number.isNaN(b.value);
  return equal(a, b) && a instanceof Double === b instanceof Double && a instanceof Uint === b instanceof Uint;
}

const show = (value: unknown) =>
  JSON.stringify(value, (_, v) =>
    typeof v === 'bigint' ? `${v}n` : v instanceof CelMap ? [...v.entries.values()] : v,
  );

// by a name that is not followed: it need not be installed
const cases = '@bufbuild/cel-spec/testdata/tests.js';
const spec: any = await import(cases).catch(() => undefined);

test('the official cases hold', { skip: spec ? false : '@bufbuild/cel-spec is not installed' }, (t) => {
  const root = spec?.getConformanceSuite() as unknown as Suite;
  const failures: string[] = [];
  let held = 0;
  let skipped = 0;
  const visit = (suite: Suite, path: string): void => {
    for (const inner of suite.suites)
      if (path !== '' || !left.has(inner.name)) visit(inner, path === '' ? inner.name : `${path}/${inner.name}`);
    for (const one of suite.tests) {
      const name = `${path}/${one.name}`;
      const problem = problemOf(one);
      if (problem === null) skipped++;
      else if (problem === undefined) held++;
      else if (!differing.has(name)) failures.push(`${name}: ${one.original.expr}\n    ${problem}`);
    }
  };
  visit(root, '');
  t.diagnostic(
    `${held} cases hold, ${skipped} need protocol buffers, ${differing.size} differ as upstream's version does`,
  );
  assert.equal(failures.join('\n'), '');
  assert.ok(held > 1000);
});
