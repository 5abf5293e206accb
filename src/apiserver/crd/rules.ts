/** The rules of a schema (`x-kubernetes-validations`), compiled, at the places that they are about. */
import { type JSONSchemaProps, schemaOf, type ValidationRule } from '../../api/index.ts';
import { isObject } from '../../machinery/index.ts';
import {
  boolType,
  compile,
  kubernetesEnvironment,
  optionalType,
  type Program,
  schemaType,
  stringType,
  type Type,
} from '../../machinery/cel/index.ts';

export interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program?: Program;
  readonly messageProgram?: Program;
  /** Why there is no program; why there is no program for the message. */
  readonly problem?: string;
  readonly messageProblem?: string;
  readonly usesOldSelf: boolean;
  /** Where a failure is told, below the place of the rule; '' is the place itself. */
  readonly field: string;
}

/** A place of a schema that has rules, or has some below it. */
export interface RuleNode {
  /** As the schema calls it: `object`, `string`, … */
  readonly type: string;
  readonly rules: readonly CompiledRule[];
  readonly properties: ReadonlyMap<string, RuleNode>;
  readonly values?: RuleNode;
  readonly items?: RuleNode;
  /** What tells items of a list apart; absent: items of one revision are not found again in another. */
  readonly listKeys?: readonly string[];
}

/** Undefined: there are no rules. */
export function rulesOf(props: JSONSchemaProps, isRoot = true): RuleNode | undefined {
  const properties = new Map<string, RuleNode>();
  for (const [name, inner] of Object.entries(props.properties ?? {})) {
    const node = rulesOf(inner, false);
    if (node !== undefined) properties.set(name, node);
  }
  const { items, additionalProperties } = props;
  const item = items && !Array.isArray(items) ? rulesOf(items, false) : undefined;
  const values = isObject(additionalProperties) ? rulesOf(additionalProperties, false) : undefined;
  const rules = props['x-kubernetes-validations'] ?? [];
  if (rules.length === 0 && properties.size === 0 && item === undefined && values === undefined) return undefined;
  return {
    type: props.type ?? '',
    rules: compileRules(props, isRoot),
    properties,
    ...(values && { values }),
    ...(item && { items: item }),
    ...(props['x-kubernetes-list-type'] === 'map' && { listKeys: props['x-kubernetes-list-map-keys'] ?? [] }),
  };
}

export function typeOf(props: JSONSchemaProps, isRoot: boolean): Type | undefined {
  const root = isRoot || props['x-kubernetes-embedded-resource'] === true;
  return schemaType(schemaOf(props), { root });
}

export function compileRules(props: JSONSchemaProps, isRoot: boolean): CompiledRule[] {
  const rules = props['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return [];
  const self = typeOf(props, isRoot);
  return rules.map((rule) => {
    if (self === undefined)
      return { rule, problem: 'failed to convert to declType for CEL validation rules', usesOldSelf: false, field: '' };
    const oldSelf = rule.optionalOldSelf ? optionalType(self) : self;
    return compileRule(rule, { self, oldSelf });
  });
}

function compileRule(rule: ValidationRule, variables: Record<string, Type>): CompiledRule {
  const environment = kubernetesEnvironment.extend({ variables });
  const field = (rule.fieldPath ?? '').replace(/^\./, '');
  const { program, message } = { message: '', ...compile(rule.rule, environment) };
  if (program === undefined) return { rule, problem: message, usesOldSelf: false, field };
  const usesOldSelf = program.uses('oldSelf');
  if (program.type !== boolType) return { rule, problem: 'cel expression must evaluate to a bool', usesOldSelf, field };
  if (!rule.messageExpression) return { rule, program, usesOldSelf, field };
  const told = { message: '', ...compile(rule.messageExpression, environment) };
  const messageProblem =
    told.program === undefined
      ? `messageExpression ${told.message}`
      : told.program.type === stringType
        ? undefined
        : 'messageExpression must evaluate to a string';
  if (messageProblem !== undefined) return { rule, program, messageProblem, usesOldSelf, field };
  return { rule, program, messageProgram: told.program, usesOldSelf, field };
}
