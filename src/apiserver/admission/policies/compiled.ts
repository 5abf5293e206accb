import type { Environment } from '../../../machinery/cel/index.ts';
import {
  boolType,
  type Compiled,
  compiledOf,
  environmentOf,
  environmentWith,
  type Variable,
} from '../dynamic/index.ts';
import type { Policy } from './bound.ts';

/** What policies of both sorts are made of. */
export interface CompiledPolicy {
  readonly environment: Environment;
  readonly conditions: readonly Compiled[];
  readonly variables: readonly Variable[];
}

const known = new WeakMap<Policy, CompiledPolicy>();

export function compiledPolicy(policy: Policy): CompiledPolicy {
  let found = known.get(policy);
  if (found === undefined) {
    const { paramKind, matchConditions = [], variables = [] } = policy.spec;
    const base = environmentOf({ hasParams: paramKind !== undefined });
    const conditions = matchConditions.map(({ expression }) => compiledOf(expression, base, boolType));
    found = { conditions, ...environmentWith(base, variables) };
    known.set(policy, found);
  }
  return found;
}
