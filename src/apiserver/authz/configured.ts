/** Which authorizers are asked, in which order: as it is configured, or as a cluster begins. */
import { alwaysAllow, alwaysDeny, type Authorizer, type NamedAuthorizer } from './chain.ts';

export interface ConfiguredAuthorizer {
  /** `Webhook` brings its own authorizer; the others are known here. */
  readonly type: 'Node' | 'RBAC' | 'AlwaysAllow' | 'AlwaysDeny' | 'Webhook';
  readonly name: string;
  readonly authorizer?: Authorizer;
}

const standardAuthorizers: readonly ConfiguredAuthorizer[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
];

/** The chain as it is configured now; the same array as long as that stays the same. */
export function authorizersOf(
  own: Readonly<Record<'Node' | 'RBAC', Authorizer>>,
  configured: () => readonly ConfiguredAuthorizer[] = () => standardAuthorizers,
): () => readonly NamedAuthorizer[] {
  const builtIn = { ...own, AlwaysAllow: alwaysAllow, AlwaysDeny: alwaysDeny };
  let last: readonly ConfiguredAuthorizer[] | undefined;
  let list: readonly NamedAuthorizer[] = [];
  return () => {
    const now = configured();
    if (now === last) return list;
    last = now;
    list = now.map(({ type, name, authorizer }) => {
      const found = type === 'Webhook' ? authorizer : builtIn[type];
      if (found === undefined) throw new TypeError(`the authorizer ${name} of the type ${type} is missing`);
      return { type, name, authorizer: found };
    });
    return list;
  };
}
