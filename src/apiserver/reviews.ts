/** Questions that are answered and not stored: who am I, may I, is this token good. */
import { type AnyObject, cause, isObject, StatusError } from '../machinery/index.ts';
import type { ServiceAccountTokens, TokenAuthenticator } from './authn/index.ts';
import { type Attributes, type Deciding, type Rules, selectorsOf } from './authz/index.ts';
import type { Answer, ResourceCall } from './registry/index.ts';
import { decode } from './registry/decode.ts';
import type { User } from './request.ts';

export interface ReviewContext {
  readonly tokens: ServiceAccountTokens;
  /** Whom a TokenReview asks about what is no token of a service account. */
  readonly others?: readonly TokenAuthenticator[];
  authorize(attributes: Attributes): Deciding;
  rulesFor(user: User, namespace: string): Rules;
}

type Review = (
  context: ReviewContext,
  call: ResourceCall,
  body: AnyObject,
) => AnyObject['status'] | Promise<AnyObject['status']>;

const reviews: Record<string, Review> = {
  selfsubjectaccessreviews: (context, call, { spec }) => access(context, call.user, spec, 'SelfSubjectAccessReview'),
  subjectaccessreviews: (context, _call, { spec }) => access(context, subjectOf(spec), spec, 'SubjectAccessReview'),
  localsubjectaccessreviews: (context, call, { spec }) => {
    if (spec?.resourceAttributes?.namespace !== call.namespace)
      throw StatusError.badRequest(
        `spec.resourceAttributes.namespace must match namespace: ${JSON.stringify(call.namespace)}`,
      );
    return access(context, subjectOf(spec), spec, 'LocalSubjectAccessReview');
  },
  selfsubjectrulesreviews: (context, call, { spec }) => rules(context, call.user, spec?.namespace),
  selfsubjectreviews: (_context, call) => ({ userInfo: infoOf(call.user) }),
  tokenreviews: async (context, _call, { spec }) => token(context, spec),
};

/** Undefined when the resource is no review. */
export function review(context: ReviewContext, call: ResourceCall): Promise<Answer> | undefined {
  if (call.served.prefix !== '' || !/^(authentication|authorization)\.k8s\.io$/.test(call.served.kind.group))
    return undefined;
  const answer = reviews[call.served.kind.resource];
  if (answer === undefined) return undefined;
  return (async () => {
    const body = decode(call.served.kind, call.body ?? {}, call);
    return { code: 201, object: { ...body, status: await answer(context, call, body) } };
  })();
}

async function access(
  context: ReviewContext,
  user: User,
  spec: AnyObject['spec'],
  kind: string,
): Promise<AnyObject['status']> {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if ((resource === undefined) === (path === undefined))
    throw StatusError.invalid({ group: 'authorization.k8s.io', kind }, '', [
      cause.invalid(
        'spec.resourceAttributes',
        resource,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    ]);
  const problems = selectorProblems(resource);
  if (problems.length > 0) throw StatusError.invalid({ group: 'authorization.k8s.io', kind }, '', problems);
  const attributes: Attributes = {
    user,
    verb: (resource ?? path).verb ?? '',
    isResource: resource !== undefined,
    group: resource?.group ?? '',
    version: resource?.version ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
    path: path?.path ?? '',
    ...selectorsOf(resource),
  };
  const { allowed, denied, reason, error } = await context.authorize(attributes);
  return {
    allowed,
    ...(denied && { denied }),
    ...(reason && { reason }),
    ...(error !== undefined && { evaluationError: error }),
  };
}

/** Of the field and label selectors that a request is asked about with. */
function selectorProblems(resource: AnyObject['spec']) {
  const problems = [];
  for (const name of ['fieldSelector', 'labelSelector']) {
    const { rawSelector, requirements = [] } = resource?.[name] ?? {};
    const field = `spec.resourceAttributes.${name}`;
    if (rawSelector && requirements.length > 0)
      problems.push(
        cause.invalid(`${field}.rawSelector`, rawSelector, 'may not specified at the same time as requirements'),
      );
    for (const [at, { key, operator, values = [] }] of requirements.entries()) {
      const path = `${field}.requirements[${at}]`;
      if (!key) problems.push(cause.required(`${path}.key`, 'must be specified'));
      if (operator === 'In' || operator === 'NotIn') {
        if (values.length === 0)
          problems.push(cause.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      } else if (operator === 'Exists' || operator === 'DoesNotExist') {
        if (values.length > 0)
          problems.push(
            cause.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
          );
      } else if (name === 'labelSelector')
        problems.push(cause.invalid(`${path}.operator`, operator, 'not a valid selector operator'));
    }
  }
  return problems;
}

function subjectOf(spec: AnyObject['spec']): User {
  if (!spec?.user && !spec?.groups?.length)
    throw StatusError.invalid({ group: 'authorization.k8s.io', kind: 'SubjectAccessReview' }, '', [
      cause.invalid('spec.user', '', 'at least one of user or group must be specified'),
    ]);
  return { name: spec.user ?? '', groups: spec.groups ?? [], uid: spec.uid, extra: spec.extra };
}

function rules(context: ReviewContext, user: User, namespace: string | undefined): AnyObject['status'] {
  if (!namespace) throw StatusError.badRequest('no namespace on request');
  const { rules: held, incomplete } = context.rulesFor(user, namespace);
  return {
    resourceRules: held
      .filter((rule) => rule.resources !== undefined)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        ...(resourceNames && { resourceNames }),
      })),
    nonResourceRules: held
      .filter((rule) => rule.nonResourceURLs !== undefined)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: incomplete !== undefined,
    ...(incomplete !== undefined && { evaluationError: incomplete }),
  };
}

async function token(context: ReviewContext, spec: AnyObject['spec']): Promise<AnyObject['status']> {
  if (!spec?.token) throw StatusError.badRequest('token is required for TokenReview in authentication');
  try {
    const found = (await context.tokens.review(spec.token, spec.audiences ?? [])) ?? (await known(context, spec));
    if (found === undefined) return { authenticated: false };
    return { authenticated: true, user: infoOf(found.user), audiences: found.audiences };
  } catch (error) {
    if (isObject(error) && error instanceof StatusError) return { authenticated: false, error: error.message };
    throw error;
  }
}

/** The tokens of others are good for this API server. */
async function known(
  { tokens, others = [] }: ReviewContext,
  { token, audiences }: AnyObject['spec'],
): Promise<{ user: User; audiences: string[] } | undefined> {
  if (audiences?.length > 0 && !audiences.includes(tokens.issuer)) return undefined;
  for (const other of others) {
    const user = await other.authenticate(token);
    if (user !== undefined) return { user, audiences: [tokens.issuer] };
  }
  return undefined;
}

function infoOf(user: User): AnyObject['status'] {
  return {
    username: user.name,
    ...(user.uid && { uid: user.uid }),
    groups:
      user.groups.includes('system:authenticated') || user.name === 'system:anonymous'
        ? user.groups
        : [...user.groups, 'system:authenticated'],
    ...(user.extra && { extra: user.extra }),
  };
}
