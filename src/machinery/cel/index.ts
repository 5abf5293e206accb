/**
 * The Common Expression Language as Kubernetes 1.36 uses it: rules of custom resources, admission policies, match conditions,
 * authentication and authorization rules, device selectors. `compile` once, `evaluate` often: an expression becomes closures
 * that read plain JSON objects as they are. Integers have 64 bits and never lose any, regular expressions are RE2's and take
 * time in proportion to their text, costs are counted as upstream counts them, and an evaluation stops at its limit.
 *
 * It does no I/O and knows no kind. Callers say which variables there are, bring the authorizer, keep the budget of a request
 * and word the refusal. This folder is a door of its own, so that who compiles no expression loads none of it.
 */
export {
  compile,
  type Compilation,
  type Evaluation,
  matchConditionsBudget,
  perCallLimit,
  type Program,
  type Refusal,
  requestBudget,
} from './program.ts';
export { Environment, type EnvironmentOptions, type Library } from './environment.ts';
export { overload, type Overload } from './overload.ts';
export { kubernetesEnvironment, standardEnvironment } from './environments.ts';
export { formatIssues, type Issue } from './source.ts';
export * from './types.ts';
export {
  CelMap,
  Double,
  Duration,
  none,
  Opaque,
  Optional,
  StructValue,
  Timestamp,
  TypedList,
  TypedObject,
  Uint,
} from './values.ts';
export { EvaluationError } from './failure.ts';
export { Regex, RegexError, regexOf } from './regex/index.ts';
export { maxCardinality, schemaType, type SchemaTypeOptions } from './schematype.ts';
export { costMessage, estimateCost, estimatedCostLimit, estimatedTotalLimit } from './estimate.ts';
export { escapeName, unescapeName } from './names.ts';
export { bindLibrary } from './library/comprehensions.ts';
export { encodersLibrary } from './library/encoders.ts';
export { mathLibrary } from './library/math.ts';
export { jsonPatchLibrary, jsonPatchType, objectType, withObjectTypes } from './library/jsonpatch.ts';
export {
  type AuthorizationCheck,
  type AuthorizationDecision,
  type Authorize,
  authorizerOf,
  authorizerType,
  requestResourceOf,
  resourceCheckType,
} from './library/authorizer.ts';
export { toJson } from './tojson.ts';
