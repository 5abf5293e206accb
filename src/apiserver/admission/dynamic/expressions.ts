/** Expressions of webhooks and policies: what they may name, what that is for a request, and what evaluating them may cost. */
import {
  authorizerOf,
  authorizerType,
  boolType,
  type AuthorizationCheck,
  compile,
  dynType,
  type Environment,
  EvaluationError,
  intType,
  kubernetesEnvironment,
  listType,
  mapType,
  perCallLimit,
  type Program,
  requestResourceOf,
  resourceCheckType,
  stringType,
  structType,
  timestampType,
  type Type,
} from '../../../machinery/cel/index.ts';
import type { AnyObject } from '../../../machinery/index.ts';
import type { AdmissionRequest } from '../../registry/context.ts';
import type { ServedResource } from '../../resources.ts';
import { serviceAccountUser } from '../../authn/index.ts';
import { describe, nameOf, typed, type Versioned } from './attributes.ts';
import { decisionOf } from './waiting.ts';

function struct(name: string, fields: Readonly<Record<string, Type>>): Type {
  const types = new Map(Object.entries(fields).map(([key, type]) => [key, { type, key }]));
  return structType(name, { get: (field) => types.get(field), plain: true });
}

const strings = (...names: string[]) => Object.fromEntries(names.map((name) => [name, stringType]));
const groupVersionKind = struct('kubernetes.GroupVersionKind', strings('group', 'version', 'kind'));
const groupVersionResource = struct('kubernetes.GroupVersionResource', strings('group', 'version', 'resource'));
const userInfo = struct('kubernetes.UserInfo', {
  ...strings('username', 'uid'),
  groups: listType(stringType),
  extra: mapType(stringType, listType(stringType)),
});
const admissionRequest = struct('kubernetes.AdmissionRequest', {
  kind: groupVersionKind,
  resource: groupVersionResource,
  requestKind: groupVersionKind,
  requestResource: groupVersionResource,
  ...strings('subResource', 'requestSubResource', 'name', 'namespace', 'operation'),
  userInfo,
  dryRun: boolType,
  options: dynType,
});
const labels = mapType(stringType, stringType);
const namespaceType = struct('kubernetes.Namespace', {
  metadata: struct('kubernetes.NamespaceMetadata', {
    ...strings('name', 'generateName', 'namespace', 'UID', 'resourceVersion'),
    labels,
    annotations: labels,
    creationTimestamp: timestampType,
    deletionTimestamp: timestampType,
    deletionGracePeriodSeconds: intType,
    generation: intType,
    finalizers: listType(stringType),
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: listType(stringType) }),
  status: struct('kubernetes.NamespaceStatus', {
    phase: stringType,
    conditions: listType(
      struct('kubernetes.NamespaceCondition', {
        ...strings('type', 'status', 'reason', 'message'),
        lastTransitionTime: timestampType,
      }),
    ),
  }),
});

const base = kubernetesEnvironment.extend({
  types: [admissionRequest, namespaceType],
  variables: {
    object: dynType,
    oldObject: dynType,
    request: admissionRequest,
    namespaceObject: namespaceType,
    authorizer: authorizerType,
    'authorizer.requestResource': resourceCheckType,
  },
});
const withParams = base.extend({ variables: { params: dynType } });

/** What an expression of a webhook or a policy may name. */
export function environmentOf({ hasParams = false }: { hasParams?: boolean } = {}): Environment {
  return hasParams ? withParams : base;
}

export { struct };

export type Compiled =
  | { readonly source: string; readonly program: Program; readonly problem?: undefined }
  | { readonly source: string; readonly program?: undefined; readonly problem: string };

/** Programs by environment: the same text is compiled once. */
const compiled = new WeakMap<Environment, Map<string, Compiled>>();
const mostCompiled = 10_000;

/** Never throws; `kinds` are the types that it may be of, any if none are given. */
export function compiledOf(source: string, environment: Environment, ...kinds: readonly Type[]): Compiled {
  let known = compiled.get(environment);
  if (known === undefined) compiled.set(environment, (known = new Map()));
  const key = `${kinds.map((type) => type.name).join()} ${source}`;
  let found = known.get(key);
  if (found === undefined) {
    found = compileTo(source, environment, kinds);
    if (known.size >= mostCompiled) known.clear();
    known.set(key, found);
  }
  return found;
}

function compileTo(source: string, environment: Environment, kinds: readonly Type[]): Compiled {
  const { program, ...refusal } = compile(source.trim(), environment);
  if (program === undefined) return { source, problem: (refusal as { message: string }).message };
  if (kinds.length === 0 || kinds.some(({ kind }) => kind === program.type.kind)) return { source, program };
  const names = kinds.map((type) => String(type));
  const wanted = names.length === 1 ? names[0] : `one of [${names.join(' ')}]`;
  return { source, problem: `must evaluate to ${wanted} but got ${program.type}` };
}

/** What is left of what all expressions over a request may cost together. */
export interface Budget {
  left: number;
}

export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

export type Bindings = Record<string, unknown>;

/** What the names stand for. */
export function bindingsOf(
  request: AdmissionRequest,
  served: ServedResource,
  seen: Versioned,
  more: { params?: AnyObject; namespace?: AnyObject } = {},
): Bindings {
  return {
    object: typed(seen.object, seen.kind),
    oldObject: typed(seen.old, seen.kind),
    request: describe(request, served, ''),
    namespaceObject: more.namespace ?? null,
    params: more.params ?? null,
    ...authorizersOf(request, served),
  };
}

/** What the user of the request, or a service account, may do; asked as the expression needs it. */
function authorizersOf(request: AdmissionRequest, { kind }: ServedResource): Bindings {
  const { call } = request;
  const authorize = (check: AuthorizationCheck) => {
    const { serviceAccount, path, verb, group, resource, subresource, namespace, name } = check;
    const user = serviceAccount ? serviceAccountUser(serviceAccount.namespace, serviceAccount.name) : call.user;
    const isResource = path === undefined;
    return decisionOf(request, {
      user,
      verb,
      isResource,
      group,
      resource,
      subresource,
      namespace,
      name,
      path: path ?? '',
    });
  };
  const { group, resource } = kind;
  const { subresource, namespace } = call;
  return {
    authorizer: authorizerOf(authorize),
    'authorizer.requestResource': requestResourceOf(authorize, {
      group,
      resource,
      subresource,
      namespace,
      name: nameOf(request),
    }),
  };
}

/** @throws ExpressionError, worded as upstream words it. */
export function evaluate({ source, program, problem }: Compiled, bindings: Bindings, budget: Budget): unknown {
  if (program === undefined) throw new ExpressionError(`compilation error: ${problem}`);
  if (budget.left <= 0)
    throw new ExpressionError(
      'validation failed due to running out of cost budget, no further validation rules will be run',
    );
  const { value, error, cost } = program.evaluate(bindings, Math.min(perCallLimit, budget.left));
  budget.left -= cost;
  if (error !== undefined) throw new ExpressionError(`expression '${source.trim()}' resulted in error: ${error}`);
  return value;
}

export interface Variable {
  readonly name: string;
  readonly expression: Compiled;
}

/** `variables` with these fields, for expressions and for the variables after them. */
export function environmentWith(
  environment: Environment,
  variables: readonly { name: string; expression: string }[],
): { environment: Environment; variables: Variable[] } {
  const types: Record<string, Type> = {};
  const list: Variable[] = [];
  let current = environment;
  for (const { name, expression } of variables) {
    const one = compiledOf(expression, current);
    list.push({ name, expression: one });
    types[name] = one.program?.type ?? dynType;
    const type = struct('kubernetes.variables', { ...types });
    current = environment.extend({ types: [type], variables: { variables: type } });
  }
  return { environment: current, variables: list };
}

/** With `variables`: each is evaluated when it is first read, and once. */
export function withVariables(bindings: Bindings, variables: readonly Variable[], budget: Budget): Bindings {
  if (variables.length === 0) return bindings;
  const known: Bindings = {};
  const all = { ...bindings, variables: known };
  for (const { name, expression } of variables) {
    let result: { value?: unknown; error?: string } | undefined;
    Object.defineProperty(known, name, {
      enumerable: true,
      get() {
        result ??= attempt(expression, all, budget);
        if (result.error === undefined) return result.value;
        throw new EvaluationError(`composited variable "${name}" fails to evaluate: ${result.error}`);
      },
    });
  }
  return all;
}

function attempt(expression: Compiled, bindings: Bindings, budget: Budget): { value?: unknown; error?: string } {
  try {
    return { value: evaluate(expression, bindings, budget) };
  } catch (error) {
    if (error instanceof ExpressionError) return { error: error.message };
    throw error;
  }
}

export type Chosen = { readonly matches: boolean; readonly error?: undefined } | { readonly error: string };

/** Whether all conditions hold: one that does not is enough to say no, whatever errors others end in. */
export function conditionsHold(conditions: readonly Compiled[], bindings: Bindings, budget: Budget): Chosen {
  const errors: string[] = [];
  for (const condition of conditions) {
    try {
      if (evaluate(condition, bindings, budget) !== true) return { matches: false };
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      errors.push(error.message);
    }
  }
  if (errors.length === 0) return { matches: true };
  return { error: errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]` };
}

export { boolType };
