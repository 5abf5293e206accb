/** What a mutation of a policy makes of an object: fields that are merged in (`Object{…}`), or operations (`[JSONPatch{…}]`). */
import {
  CelMap,
  Double,
  Duration,
  type Environment,
  jsonPatchLibrary,
  StructValue,
  Timestamp,
  TypedList,
  TypedObject,
  Uint,
  withObjectTypes,
} from '../../../machinery/cel/index.ts';
import {
  type AnyObject,
  applyJsonPatch,
  applyPatch,
  cause,
  cloneJson,
  type Schema,
  type StatusCause,
} from '../../../machinery/index.ts';
import { type Bindings, type Budget, type Compiled, compiledOf, evaluate, ExpressionError } from '../dynamic/index.ts';
import type { Policy } from './bound.ts';

export interface Mutation {
  readonly patchType: 'ApplyConfiguration' | 'JSONPatch';
  readonly expression: Compiled;
}

const withTypes = new WeakMap<Environment, Environment>();

function patchEnvironment(environment: Environment): Environment {
  let found = withTypes.get(environment);
  if (found === undefined) {
    found = withObjectTypes(environment.extend({ libraries: [jsonPatchLibrary] }));
    withTypes.set(environment, found);
  }
  return found;
}

interface Stated {
  readonly patchType?: string;
  readonly applyConfiguration?: { readonly expression?: string };
  readonly jsonPatch?: { readonly expression?: string };
}

export function mutationsOf(policy: Policy, environment: Environment): Mutation[] {
  const extended = patchEnvironment(environment);
  return ((policy.spec.mutations ?? []) as Stated[]).map(({ patchType, applyConfiguration, jsonPatch: operations }) =>
    patchType === 'JSONPatch'
      ? { patchType, expression: ofList(compiledOf(operations?.expression ?? '', extended)) }
      : {
          patchType: 'ApplyConfiguration',
          expression: ofObject(compiledOf(applyConfiguration?.expression ?? '', extended)),
        },
  );
}

function ofObject(compiled: Compiled): Compiled {
  const type = compiled.program?.type;
  if (type === undefined || type.name === 'Object') return compiled;
  return { source: compiled.source, problem: `must evaluate to Object but got ${type}` };
}

function ofList(compiled: Compiled): Compiled {
  const type = compiled.program?.type;
  if (type === undefined || (type.kind === 'list' && ['JSONPatch', 'dyn'].includes(type.params[0]!.name)))
    return compiled;
  return { source: compiled.source, problem: `must evaluate to list(JSONPatch) but got ${type}` };
}

/** What is wrong with the mutations of a policy that is written. */
export function mutationProblems(policy: Policy, environment: Environment): StatusCause[] {
  const fields = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' };
  return mutationsOf(policy, environment).flatMap(({ patchType, expression }, i) => {
    const at = `spec.mutations[${i}].${fields[patchType]}.expression`;
    if (expression.source.trim() === '') return [cause.required(at)];
    return expression.problem === undefined ? [] : [cause.invalid(at, expression.source, expression.problem)];
  });
}

/**
 * The object as the mutation wants it; a new one.
 * @throws ExpressionError that says why not.
 */
export function mutate(
  object: AnyObject,
  schema: Schema,
  mutation: Mutation,
  bindings: Bindings,
  budget: Budget,
): AnyObject {
  const value = evaluate(mutation.expression, bindings, budget);
  return mutation.patchType === 'JSONPatch' ? patched(object, value) : applied(object, schema, value);
}

function patched(object: AnyObject, value: unknown): AnyObject {
  const operations = jsonOf(value) as { op: string }[];
  if (!Array.isArray(operations))
    throw new ExpressionError('type mismatch: JSONPatchType.expression should evaluate to array');
  try {
    return cloneJson(applyJsonPatch(object, operations)) as AnyObject;
  } catch (error) {
    // a test that does not hold says: not this one
    if (operations.some(({ op }) => op === 'test') && /test/i.test((error as Error).message)) return object;
    throw new ExpressionError(`JSON Patch: ${(error as Error).message}`);
  }
}

function applied(object: AnyObject, schema: Schema, value: unknown): AnyObject {
  if (!(value instanceof StructValue))
    throw new ExpressionError('unsupported return type from ApplyConfiguration expression');
  checkNames(value, 'Object');
  const wanted = jsonOf(value) as Record<string, any>;
  const atomic = [...atomicsIn(wanted, schema, '')];
  if (atomic.length > 0)
    throw new ExpressionError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomic.join(', ')}`,
    );
  const { managedFields, ...metadata } = object.metadata;
  const { name, namespace } = metadata;
  try {
    const merged = applyPatch({
      live: { ...object, metadata },
      applied: {
        ...wanted,
        apiVersion: object.apiVersion,
        kind: object.kind,
        metadata: { ...wanted.metadata, ...(name && { name }), ...(namespace && { namespace }) },
      } as AnyObject,
      manager: 'admission',
      force: true,
      apiVersion: object.apiVersion!,
      time: '1970-01-01T00:00:00Z',
      schema,
    });
    const { managedFields: _, ...rest } = merged.metadata;
    return cloneJson({ ...merged, metadata: { ...rest, ...(managedFields && { managedFields }) } }) as AnyObject;
  } catch (error) {
    throw new ExpressionError(`error applying patch: ${(error as Error).message}`);
  }
}

/** The type that a value is written with names the place that it is put at. */
function checkNames(value: unknown, expected: string): void {
  if (Array.isArray(value)) for (const item of value) checkNames(item, expected);
  if (!(value instanceof StructValue)) return;
  if (value.type.name !== expected)
    throw new ExpressionError(
      `type mismatch: unexpected type name "${value.type.name}", expected "${expected}", which matches field name path from root Object type`,
    );
  for (const [name, field] of value.fields) checkNames(field, `${expected}.${name}`);
}

/** Merging into what is replaced as a whole would drop what is not said again. */
function* atomicsIn(value: unknown, schema: Schema | undefined, path: string): Generator<string> {
  if (schema === undefined || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (schema.listType === undefined || schema.listType === 'atomic') yield path;
    for (const [i, item] of value.entries()) yield* atomicsIn(item, schema.items, `${path}[${i}]`);
    return;
  }
  if (schema.mapType === 'atomic') yield path;
  for (const [name, field] of Object.entries(value))
    yield* atomicsIn(field, schema.properties?.[name] ?? schema.additionalProperties, `${path}.${name}`);
}

/** A value of the language as JSON. */
export function jsonOf(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return typeof value === 'bigint' ? Number(value) : value;
  if (Array.isArray(value)) return value.map(jsonOf);
  if (value instanceof StructValue)
    return Object.fromEntries([...value.fields].map(([name, field]) => [name, jsonOf(field)]));
  if (value instanceof CelMap)
    return Object.fromEntries([...value.entries.values()].map((entry) => [String(entry.key), jsonOf(entry.value)]));
  if (value instanceof TypedList) return cloneJson(value.items);
  if (value instanceof TypedObject) return cloneJson(value.raw);
  if (value instanceof Double) return value.value;
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof Timestamp) return new Date(value.seconds * 1000).toISOString();
  if (value instanceof Duration) return `${Number(value.nanos) / 1e9}s`;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, jsonOf(field)]));
}
