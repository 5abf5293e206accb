/** Values that a Stage draws from an object: by a JSON query or a CEL expression. */
import {
  compile,
  Duration,
  dynType,
  kubernetesEnvironment,
  type Program,
  Timestamp,
  toJson,
} from '../../../machinery/cel/index.ts';
import { compileQuery, type Filter } from './jq.ts';
import type { ExpressionFrom, MatchExpression, Requirement, StageSelector } from './kinds.ts';

export type Object = unknown;
export type Test = (object: Object) => boolean;
/** Where to say what is wrong with what was written. */
export type Refuse = (field: string, why: string) => never;

const overSelf = kubernetesEnvironment.extend({ variables: { self: dynType } });

/** What the query finds; undefined where it stumbles, as over what is not there. */
function found(query: Filter, object: Object): unknown[] | undefined {
  try {
    return query(object).filter((value) => value !== null && value !== undefined);
  } catch {
    return undefined;
  }
}

function queryOf(text: unknown, field: string, refuse: Refuse): Filter {
  if (typeof text !== 'string')
    return refuse(field, `${JSON.stringify(text)} is not a query, as ".status.phase" is one`);
  try {
    return compileQuery(text);
  } catch (error) {
    return refuse(field, (error as Error).message);
  }
}

function programOf(text: unknown, field: string, refuse: Refuse): Program {
  const compiled = compile(String(text), overSelf);
  return compiled.program ?? refuse(field, `${JSON.stringify(text)}: ${compiled.message}`);
}

export function selectorOf(selector: StageSelector, refuse: Refuse): Test {
  const tests: Test[] = [];
  for (const [field, place] of [
    ['matchLabels', 'labels'],
    ['matchAnnotations', 'annotations'],
  ] as const) {
    const wanted = Object.entries(selector[field] ?? {});
    tests.push((object: any) => wanted.every(([name, value]) => object.metadata[place]?.[name] === value));
  }
  for (const [i, one] of (selector.matchExpressions ?? []).entries())
    tests.push(expressionTest(one, `spec.selector.matchExpressions[${i}]`, refuse));
  return (object) => tests.every((matches) => matches(object));
}

function expressionTest(one: MatchExpression, field: string, refuse: Refuse): Test {
  if (one.cel !== undefined) {
    const program = programOf(one.cel.expression, `${field}.cel.expression`, refuse);
    return (object) => program.evaluate({ self: object }).value === true;
  }
  const requirement = one.jq ?? (one as Requirement);
  return requirementTest(requirement, one.jq === undefined ? field : `${field}.jq`, refuse);
}

function requirementTest({ key, operator, values = [] }: Requirement, field: string, refuse: Refuse): Test {
  const query = queryOf(key, `${field}.key`, refuse);
  const byValue = operator === 'In' || operator === 'NotIn';
  if (!byValue && operator !== 'Exists' && operator !== 'DoesNotExist')
    refuse(`${field}.operator`, `${JSON.stringify(operator)}: choose In, NotIn, Exists or DoesNotExist`);
  if (byValue && values.length === 0) refuse(`${field}.values`, `${operator} needs at least one value`);
  if (!byValue && values.length > 0) refuse(`${field}.values`, `${operator} takes no values: leave them out`);
  const wanted = new Set(values.map(String));
  const holds: Test = (object) => {
    const all = found(query, object) ?? [];
    return byValue ? all.some((value) => typeof value !== 'object' && wanted.has(String(value))) : all.length > 0;
  };
  return operator === 'In' || operator === 'Exists' ? holds : (object) => !holds(object);
}

/** Undefined: neither the object nor the Stage says so. `now` in milliseconds since the epoch. */
export type Drawn = (object: Object, now: number) => number | undefined;

export function drawn(
  from: ExpressionFrom | undefined,
  standard: number | undefined,
  read: (value: unknown, now: number) => number | 'none' | undefined,
  field: string,
  refuse: Refuse,
): Drawn {
  if (from === undefined) return () => standard;
  const taken = (value: unknown, now: number) => {
    const number = read(value, now);
    return number === 'none' ? undefined : (number ?? standard);
  };
  if (from.cel !== undefined) {
    const program = programOf(from.cel.expression, `${field}.cel.expression`, refuse);
    return (object, now) => {
      const { value } = program.evaluate({ self: object });
      return value === undefined ? standard : taken(plain(value), now);
    };
  }
  const query =
    from.jq === undefined
      ? queryOf(from.expressionFrom, `${field}.expressionFrom`, refuse)
      : queryOf(from.jq.expression, `${field}.jq.expression`, refuse);
  return (object, now) => {
    const [first] = found(query, object) ?? [];
    return first === undefined ? standard : taken(first, now);
  };
}

function plain(value: unknown): unknown {
  if (value instanceof Duration) return { milliseconds: Number(value.nanos) / 1e6 };
  if (value instanceof Timestamp) return new Date(value.seconds * 1000 + value.nanos / 1e6).toISOString();
  const made = toJson(value);
  return made.error === undefined ? made.json : undefined;
}

/** Of a weight; an empty text says none. */
export function readWhole(value: unknown): number | 'none' | undefined {
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value !== 'string') return undefined;
  return /^[-+]?\d+$/.test(value) ? Number(value) : 'none';
}

const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/** A duration as Go writes it, `1h2m3.5s`, in milliseconds. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^([-+]?)((?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|ns))+$/.exec(text);
  if (match === null) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/g))
    total += Number(number) * units[unit!]!;
  return text.startsWith('-') ? -total : total;
}

/** A duration, or how long it is until a time. */
export function readDuration(value: unknown, now: number): number | 'none' | undefined {
  if (typeof value === 'object' && value !== null) return (value as { milliseconds?: number }).milliseconds;
  if (typeof value !== 'string') return undefined;
  if (value === '') return 'none';
  const time = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? parseGoDuration(value) : time - now;
}
