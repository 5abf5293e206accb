/** The authorizers that know for themselves, as members of a chain. */
import type { Opinion } from './attributes.ts';
import type { Authorizer } from './chain.ts';
import { type NodeAuthorizer, nodeOf } from './node/index.ts';
import type { Rbac } from './rbac.ts';

const noOpinion: Opinion = { verdict: 'none', reason: '' };

export function nodeMember(nodes: NodeAuthorizer): Authorizer {
  return {
    authorize(attributes) {
      const decision = nodes.authorize(attributes);
      if (decision === undefined) return noOpinion;
      return { verdict: decision.allowed ? 'allow' : 'none', reason: decision.reason };
    },
    rulesFor: (user) =>
      nodeOf(user) === undefined
        ? { rules: [] }
        : { rules: [], incomplete: 'node authorizer does not support user rule resolution' },
  };
}

export function rbacMember(rbac: Rbac): Authorizer {
  return {
    authorize(attributes) {
      const { allowed, reason } = rbac.authorize(attributes);
      return allowed ? { verdict: 'allow', reason } : noOpinion;
    },
    rulesFor: (user, namespace) => ({ rules: rbac.rulesFor(user, namespace) }),
  };
}
