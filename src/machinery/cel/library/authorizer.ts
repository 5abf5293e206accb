/**
 * Checks of what the user of a request may do: `authorizer.group('apps').resource('deployments').check('create').allowed()`.
 * Who uses it says how checks are decided.
 */
import { validateName } from '../../names.ts';
import type { Library } from '../environment.ts';
import { fail } from '../failure.ts';
import { type CallCost, overloadWith } from '../overload.ts';
import { listCost, sizeOf, structCost, traversal } from '../size.ts';
import { structType, type Type } from '../types.ts';
import { Opaque } from '../values.ts';

/** What is asked. Either `path`, or the parts of a resource; what is empty is not restricted to anything. */
export interface AuthorizationCheck {
  /** Asked for this service account rather than for the user of the request. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly verb: string;
  readonly path?: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** As written; one that cannot be read restricts nothing. */
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface AuthorizationDecision {
  readonly allowed: boolean;
  readonly reason?: string;
  /** Why the check could not be made. */
  readonly error?: string;
}

/** Decides at once: an evaluation does not wait. */
export type Authorize = (check: AuthorizationCheck) => AuthorizationDecision;

const noFields = { get: () => undefined, plain: true };
const named = (name: string) => structType(`kubernetes.authorization.${name}`, noFields);
export const authorizerType = named('Authorizer');
const pathType = named('PathCheck');
const groupType = named('GroupCheck');
/** Of the variable `authorizer.requestResource`. */
export const resourceCheckType = named('ResourceCheck');
const decisionType = named('Decision');
const overload = overloadWith(
  new Map([
    ['Authorizer', authorizerType],
    ['PathCheck', pathType],
    ['GroupCheck', groupType],
    ['ResourceCheck', resourceCheckType],
    ['Decision', decisionType],
  ]),
);

/** A check that is being put together. */
class Check extends Opaque {
  readonly type: Type;
  readonly authorize: Authorize;
  readonly parts: Partial<AuthorizationCheck>;
  constructor(type: Type, authorize: Authorize, parts: Partial<AuthorizationCheck>) {
    super();
    this.type = type;
    this.authorize = authorize;
    this.parts = parts;
  }

  with(parts: Partial<AuthorizationCheck>, type = this.type): Check {
    return new Check(type, this.authorize, { ...this.parts, ...parts });
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Check && this.type === other.type && JSON.stringify(this.parts) === JSON.stringify(other.parts)
    );
  }
}

class Decision extends Opaque {
  readonly type = decisionType;
  readonly decision: AuthorizationDecision;
  constructor(decision: AuthorizationDecision) {
    super();
    this.decision = decision;
  }

  equals(other: unknown): boolean {
    return other instanceof Decision && JSON.stringify(this.decision) === JSON.stringify(other.decision);
  }
}

/** The value of the variable `authorizer`. */
export const authorizerOf = (authorize: Authorize): Opaque => new Check(authorizerType, authorize, {});

/** The value of the variable `authorizer.requestResource`: a check of what the request is about. */
export function requestResourceOf(
  authorize: Authorize,
  of: Pick<AuthorizationCheck, 'group' | 'resource' | 'subresource' | 'namespace' | 'name'>,
): Opaque {
  return new Check(resourceCheckType, authorize, of);
}

function decide({ authorize, parts }: Check, verb: string): Decision {
  const empty = { group: '', resource: '', subresource: '', namespace: '', name: '' };
  return new Decision(authorize({ ...empty, ...parts, verb }));
}

function required(text: string, what: string): string {
  return text.trim() === '' ? fail(`${what} must not be empty`) : text;
}

function forServiceAccount(check: Check, namespace: string, name: string): Check {
  if (validateName(name, 'subdomain').length > 0) fail('Invalid service account name');
  if (validateName(namespace, 'label').length > 0) fail('Invalid service account namespace');
  return check.with({ serviceAccount: { namespace, name } });
}

const ofCheck: CallCost = () => 350_000;
const ofSelector: CallCost = ([, selector]) => {
  const length = sizeOf(selector);
  return listCost + traversal(length) + Math.ceil(Math.ceil(length / 2) * (listCost + structCost));
};

export const authorizerLibrary: Library = {
  types: [authorizerType, pathType, groupType, resourceCheckType, decisionType],
  overloads: [
    overload('authorizer_path', 'Authorizer.path(string) -> PathCheck', (a: Check, path: string) =>
      a.with({ path: required(path, 'path') }, pathType),
    ),
    overload('authorizer_group', 'Authorizer.group(string) -> GroupCheck', (a: Check, group: string) =>
      a.with({ group }, groupType),
    ),
    overload('authorizer_serviceaccount', 'Authorizer.serviceAccount(string, string) -> Authorizer', forServiceAccount),
    overload('groupcheck_resource', 'GroupCheck.resource(string) -> ResourceCheck', (a: Check, resource: string) =>
      a.with({ resource: required(resource, 'resource') }, resourceCheckType),
    ),
    overload(
      'resourcecheck_subresource',
      'ResourceCheck.subresource(string) -> ResourceCheck',
      (a: Check, subresource: string) => a.with({ subresource }),
    ),
    overload(
      'resourcecheck_namespace',
      'ResourceCheck.namespace(string) -> ResourceCheck',
      (a: Check, namespace: string) => a.with({ namespace }),
    ),
    overload('resourcecheck_name', 'ResourceCheck.name(string) -> ResourceCheck', (a: Check, name: string) =>
      a.with({ name }),
    ),
    overload(
      'authorizer_fieldselector',
      'ResourceCheck.fieldSelector(string) -> ResourceCheck',
      (a: Check, fieldSelector: string) => a.with({ fieldSelector }),
      ofSelector,
    ),
    overload(
      'authorizer_labelselector',
      'ResourceCheck.labelSelector(string) -> ResourceCheck',
      (a: Check, labelSelector: string) => a.with({ labelSelector }),
      ofSelector,
    ),
    overload('pathcheck_check', 'PathCheck.check(string) -> Decision', decide, ofCheck),
    overload('resourcecheck_check', 'ResourceCheck.check(string) -> Decision', decide, ofCheck),
    overload(
      'decision_errored',
      'Decision.errored() -> bool',
      ({ decision }: Decision) => decision.error !== undefined,
    ),
    overload('decision_error', 'Decision.error() -> string', ({ decision }: Decision) => decision.error ?? ''),
    overload('decision_allowed', 'Decision.allowed() -> bool', ({ decision }: Decision) => decision.allowed),
    overload('decision_reason', 'Decision.reason() -> string', ({ decision }: Decision) => decision.reason ?? ''),
  ],
};
