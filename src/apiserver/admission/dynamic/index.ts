/**
 * What webhooks and policies have in common: which requests they are about, in which version they see them, and what they are told. It leaves
 * asking, evaluating and deciding to them.
 */
export {
  describe,
  kindOf,
  nameOf,
  namespaceOf,
  optionsOf,
  typed,
  userInfoOf,
  type Versioned,
  versionedAs,
} from './attributes.ts';
export { Followed } from './followed.ts';
export { type Criteria, isExempt, matches, type Rule } from './matching.ts';
export { convertTo, equivalentsOf } from './versions.ts';
export {
  type Bindings,
  bindingsOf,
  boolType,
  type Budget,
  type Compiled,
  compiledOf,
  conditionsHold,
  environmentOf,
  environmentWith,
  evaluate,
  ExpressionError,
  struct,
  type Variable,
  withVariables,
} from './expressions.ts';
export { settled } from './waiting.ts';
