/** Whether the rules of a definition may stand: that they compile, what they may cost, and what they may look back at. */
import type { CustomResourceDefinition, JSONSchemaProps, Kind, ValidationRule } from '../../api/index.ts';
import { cause, equalJson, isObject, type StatusCause } from '../../machinery/index.ts';
import {
  costMessage,
  estimateCost,
  estimatedCostLimit,
  estimatedTotalLimit,
  maxCardinality,
  type Program,
} from '../../machinery/cel/index.ts';
import { type CompiledRule, compileRules, typeOf } from './rules.ts';

/** The kind of definitions, with their rules looked at, too. */
export function withRules(kind: Kind): Kind {
  if (kind.group !== 'apiextensions.k8s.io' || kind.kind !== 'CustomResourceDefinition') return kind;
  return Object.defineProperty(Object.defineProperties({}, Object.getOwnPropertyDescriptors(kind)), 'validate', {
    enumerable: true,
    value: (object: CustomResourceDefinition, old: CustomResourceDefinition | undefined, subresource?: string) => {
      const causes = kind.validate?.(object, old, subresource) ?? [];
      // of a schema that is no good nothing can be said
      return causes.length > 0 || subresource === 'status' ? causes : checkRules(object, old);
    },
  }) as Kind;
}

export function checkRules(
  { spec }: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): StatusCause[] {
  return (spec.versions ?? []).flatMap(({ name, schema }, i) => {
    const props = schema?.openAPIV3Schema;
    const before = old?.spec.versions.find((version) => version.name === name)?.schema?.openAPIV3Schema;
    if (props === undefined || equalJson(props, before)) return [];
    return checkSchema(props, `spec.versions[${i}].schema.openAPIV3Schema`);
  });
}

/** A place of the schema. */
interface At {
  readonly path: string;
  readonly isRoot: boolean;
  /** How often it can be there in one object; undefined: nothing limits it. */
  readonly cardinality: number | undefined;
  /** What keeps the place from being found again in the revision before; undefined: nothing does. */
  readonly uncorrelated?: string;
}

class Check {
  readonly causes: StatusCause[] = [];
  total = 0;
  readonly expensive: { path: string; cost: number }[] = [];

  visit(props: JSONSchemaProps, at: At): void {
    this.#rules(props, at);
    const { items, additionalProperties } = props;
    const most = at.cardinality === undefined ? undefined : mostBelow(props);
    const cardinality = most === undefined || at.cardinality === undefined ? undefined : at.cardinality * most;
    const below = { isRoot: false, cardinality, uncorrelated: at.uncorrelated };
    for (const [name, inner] of Object.entries(props.properties ?? {}))
      this.visit(inner, { ...below, path: `${at.path}.properties[${name}]` });
    if (isObject(additionalProperties))
      this.visit(additionalProperties, { ...below, path: `${at.path}.additionalProperties` });
    if (items && !Array.isArray(items)) {
      const uncorrelated = at.uncorrelated ?? (props['x-kubernetes-list-type'] === 'map' ? undefined : at.path);
      this.visit(items, { ...below, path: `${at.path}.items`, uncorrelated });
    }
  }

  #rules(props: JSONSchemaProps, at: At): void {
    const rules = props['x-kubernetes-validations'] ?? [];
    if (rules.length === 0) return;
    const written = rules.flatMap((rule, i) => checkWritten(rule, props, `${at.path}.x-kubernetes-validations[${i}]`));
    this.causes.push(...written);
    if (written.length > 0) return;
    const type = typeOf(props, at.isRoot);
    for (const [i, compiled] of compileRules(props, at.isRoot).entries()) {
      const path = `${at.path}.x-kubernetes-validations[${i}]`;
      this.#compiled(compiled, path, at.uncorrelated);
      const times = at.cardinality ?? (type === undefined ? 1 : maxCardinality(type));
      if (compiled.program) this.#cost(compiled.program, times, `${path}.rule`, 'estimated rule cost');
      if (compiled.messageProgram)
        this.#cost(compiled.messageProgram, 1, `${path}.messageExpression`, 'estimated messageExpression cost');
    }
  }

  #compiled({ rule, problem, messageProblem, usesOldSelf }: CompiledRule, path: string, uncorrelated?: string): void {
    if (problem !== undefined) this.causes.push(cause.invalid(`${path}.rule`, rule, problem));
    if (messageProblem !== undefined)
      this.causes.push(cause.invalid(`${path}.messageExpression`, rule, messageProblem));
    if (problem !== undefined) return;
    if (usesOldSelf && uncorrelated !== undefined)
      this.causes.push(
        cause.invalid(
          `${path}.rule`,
          rule.rule,
          `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`,
        ),
      );
    if (!usesOldSelf && rule.optionalOldSelf !== undefined)
      this.causes.push(
        cause.invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'),
      );
  }

  #cost(program: Program, times: number, path: string, what: string): void {
    const cost = estimateCost(program).max * times;
    if (cost > estimatedCostLimit) this.causes.push(cause.forbidden(path, costMessage(what, cost, estimatedCostLimit)));
    this.total += cost;
    if (cost >= estimatedTotalLimit / 100) this.expensive.push({ path, cost });
  }
}

function checkSchema(props: JSONSchemaProps, path: string): StatusCause[] {
  const check = new Check();
  check.visit(props, { path, isRoot: true, cardinality: 1 });
  if (check.total <= estimatedTotalLimit) return check.causes;
  const most = check.expensive.toSorted((a, b) => b.cost - a.cost).slice(0, 4);
  const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
  return [
    ...check.causes,
    ...most.map((one) =>
      cause.forbidden(
        one.path,
        'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      ),
    ),
    cause.forbidden(path, costMessage(what, check.total, estimatedTotalLimit)),
  ];
}

/** How many of what is below a place can be there for one of the place; undefined: nothing limits it. */
function mostBelow(props: JSONSchemaProps): number | undefined {
  if (props.type === 'object') return props.additionalProperties ? props.maxProperties : 1;
  return props.type === 'array' ? props.maxItems : 1;
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const isBroken = (text: string) => /[\n\r]/.test(text);

function checkWritten(rule: ValidationRule, props: JSONSchemaProps, path: string): StatusCause[] {
  const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
  const text = (rule.rule ?? '').trim();
  const causes: StatusCause[] = [];
  if (text === '') causes.push(cause.required(`${path}.rule`, 'rule is not specified'));
  else if (message !== '' && message.trim() === '')
    causes.push(cause.invalid(`${path}.message`, message, 'must be non-empty if specified'));
  else if (isBroken(message.trim()))
    causes.push(cause.invalid(`${path}.message`, message, 'must not contain line breaks'));
  else if (isBroken(text) && message.trim() === '')
    causes.push(cause.required(`${path}.message`, 'message must be specified if rule contains line breaks'));
  if (messageExpression !== '' && messageExpression.trim() === '')
    causes.push(cause.required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'));
  if (reason !== undefined && !reasons.includes(reason))
    causes.push(cause.notSupported(`${path}.reason`, reason, reasons));
  if (fieldPath === '') return causes;
  if (fieldPath.trim() === '')
    causes.push(cause.invalid(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified'));
  if (isBroken(fieldPath)) causes.push(cause.invalid(`${path}.fieldPath`, fieldPath, 'must not contain line breaks'));
  if (!leadsSomewhere(fieldPath, props))
    causes.push(cause.invalid(`${path}.fieldPath`, fieldPath, 'must be a valid path'));
  return causes;
}

/** Whether a path such as `.spec.size` or `.labels['a.b']` is one of the schema. */
function leadsSomewhere(path: string, props: JSONSchemaProps): boolean {
  let rest = path;
  let at: JSONSchemaProps | undefined = props;
  while (rest !== '') {
    const step: RegExpExecArray | null = /^(?:\.([^.[\]']+)|\['((?:[^'\\]|\\.)+)'\])/.exec(rest);
    if (step === null || at === undefined) return false;
    const name = step[1] ?? step[2]!.replaceAll(/\\(.)/g, '$1');
    const { properties, additionalProperties }: JSONSchemaProps = at;
    at = properties ? properties[name] : isObject(additionalProperties) ? additionalProperties : undefined;
    if (at === undefined) return false;
    rest = rest.slice(step[0].length);
  }
  return true;
}
