/** Evaluates the rules of a schema over an object: all of one write share a budget, and what was so before may stay so. */
import { equalJson, isObject, type StatusCause } from '../../machinery/index.ts';
import { perCallLimit, requestBudget } from '../../machinery/cel/index.ts';
import type { CompiledRule, RuleNode } from './rules.ts';

/** A value now and before. `isSame`: whether nothing has changed here or, where that cannot be told, in what it is a part of. */
interface Place {
  readonly value: unknown;
  readonly old: unknown;
  readonly path: string;
  isSame(): boolean;
}

interface Run {
  budget: number;
  readonly causes: StatusCause[];
}

const outOfBudget = 'validation failed due to running out of cost budget, no further validation rules will be run';
const longestMessage = 5120;

/** Nothing more is evaluated once the budget is spent. */
class Spent extends Error {}

/** What the rules of `node` say of `value`; `old` absent: it is new. */
export function evaluateRules(node: RuleNode, value: unknown, old: unknown): StatusCause[] {
  const run: Run = { budget: requestBudget, causes: [] };
  const isSame = once(() => old !== undefined && equalJson(value, old));
  try {
    visit(node, { value, old, path: '', isSame }, run);
  } catch (error) {
    if (!(error instanceof Spent)) throw error;
  }
  return run.causes;
}

function once(call: () => boolean): () => boolean {
  let known: boolean | undefined;
  return () => (known ??= call());
}

function visit(node: RuleNode, place: Place, run: Run): void {
  const { value, old, path } = place;
  if (value === undefined || value === null) return;
  for (const rule of node.rules) evaluateRule(node, rule, place, run);
  if (Array.isArray(value)) {
    if (node.items === undefined) return;
    const find = node.listKeys && Array.isArray(old) ? finder(old, node.listKeys) : undefined;
    for (const [i, item] of value.entries()) {
      const was = find?.(item);
      visit(node.items, below(place, item, was, node.listKeys !== undefined, `${path}[${i}]`), run);
    }
    return;
  }
  if (!isObject(value)) return;
  const before = isObject(old) ? old : undefined;
  for (const name of Object.keys(value)) {
    const inner = node.properties.get(name);
    const at = (joined: string) => below(place, value[name], before?.[name], true, joined);
    if (inner !== undefined) visit(inner, at(path === '' ? name : `${path}.${name}`), run);
    else if (node.values !== undefined) visit(node.values, at(`${path}[${name}]`), run);
  }
}

function below(parent: Place, value: unknown, old: unknown, correlated: boolean, path: string): Place {
  const isSame = correlated ? once(() => old !== undefined && equalJson(value, old)) : parent.isSame;
  return { value, old, path, isSame };
}

function finder(old: readonly unknown[], keys: readonly string[]): (item: unknown) => unknown {
  const textOf = (item: unknown) => JSON.stringify(keys.map((key) => (isObject(item) ? item[key] : undefined)));
  const byKey = new Map(old.map((item) => [textOf(item), item]));
  return (item) => byKey.get(textOf(item));
}

function evaluateRule(node: RuleNode, compiled: CompiledRule, place: Place, run: Run): void {
  const { program, rule, usesOldSelf } = compiled;
  const told = (detail: string) =>
    run.causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(node.type)}: ${detail}`,
      field: place.path || '<nil>',
    });
  if (program === undefined) return void told(`rule compile error: ${compiled.problem}`);
  if (usesOldSelf && place.old === undefined && !rule.optionalOldSelf) return;
  if (run.budget <= 0) {
    told(outOfBudget);
    throw new Spent();
  }
  const bindings = { self: place.value, oldSelf: place.old };
  const { value, error, exceeded, cost } = program.evaluate(bindings, perCallLimit);
  const name = (rule.message || rule.rule).trim();
  if (cost > run.budget) {
    told(outOfBudget);
    throw new Spent();
  }
  run.budget -= cost;
  if (exceeded) {
    told(`'${error}': no further validation rules will be run due to call cost exceeds limit for rule: ${name}`);
    throw new Spent();
  }
  if (error?.startsWith('no such overload'))
    told(
      `'${error}': call arguments did not match a supported operator, function or macro signature for rule: ${name}`,
    );
  else if (error !== undefined) told(`${error} evaluating rule: ${name}`);
  else if (value !== true && (usesOldSelf || !place.isSame())) run.causes.push(failureOf(node, compiled, place, run));
}

function failureOf(node: RuleNode, compiled: CompiledRule, place: Place, run: Run): StatusCause {
  const { rule, field } = compiled;
  const detail =
    messageOf(compiled, place, run) ?? (rule.message ? rule.message.trim() : `failed rule: ${rule.rule.trim()}`);
  const at = [place.path, field].filter((part) => part !== '').join('.') || '<nil>';
  const whole = node.type === 'object' || node.type === 'array';
  const shown = whole ? '' : `${JSON.stringify(place.value)}: `;
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return { reason: rule.reason, message: `Forbidden: ${detail}`, field: at };
    case 'FieldValueRequired':
      return { reason: rule.reason, message: `Required value: ${detail}`, field: at };
    case 'FieldValueDuplicate':
      return { reason: rule.reason, message: `Duplicate value: ${shown}${detail}`, field: at };
    default:
      return { reason: 'FieldValueInvalid', message: `Invalid value: ${shown}${detail}`, field: at };
  }
}

/** Undefined: the rule's own message has to do. */
function messageOf({ messageProgram }: CompiledRule, { value, old }: Place, run: Run): string | undefined {
  if (messageProgram === undefined) return undefined;
  const evaluated = messageProgram.evaluate({ self: value, oldSelf: old }, Math.min(perCallLimit, run.budget));
  run.budget -= evaluated.cost;
  if (typeof evaluated.value !== 'string') return undefined;
  const text = evaluated.value.trim();
  return text === '' || text.includes('\n') || Buffer.byteLength(text) > longestMessage ? undefined : text;
}
