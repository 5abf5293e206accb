/**
 * Authorizers in their order: the first that allows or denies decides, and what none has an opinion about is refused. Members of `system:masters`
 * are asked about by nobody. An answer comes at once, unless somebody outside has to be asked.
 */
import type { Counter, Family, MetricSet } from '../../machinery/index.ts';
import { groups } from '../authn/index.ts';
import type { User } from '../request.ts';
import type { Attributes, Deciding, Decision, Opinion } from './attributes.ts';
import type { PolicyRule } from './rbac.ts';

/** What is known of all that a user may do in a namespace. */
export interface Rules {
  readonly rules: readonly PolicyRule[];
  /** There may be more: why. */
  readonly incomplete?: string;
}

export interface Authorizer {
  /** Never rejects: what goes wrong is an opinion with an `error`. */
  authorize(attributes: Attributes): Opinion | Promise<Opinion>;
  rulesFor(user: User, namespace: string): Rules;
}

export interface NamedAuthorizer {
  /** `Node`, `RBAC`, `Webhook`, `AlwaysAllow`, `AlwaysDeny`. */
  readonly type: string;
  readonly name: string;
  readonly authorizer: Authorizer;
}

interface Counted extends NamedAuthorizer {
  readonly allowed: Counter;
  readonly denied: Counter;
}

const allowed: Decision = { allowed: true, reason: '' };
const everything: Rules = {
  rules: [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ],
};

export class AuthorizerChain {
  readonly #list: () => readonly NamedAuthorizer[];
  readonly #decisions: Family<Counter>;
  #known: readonly NamedAuthorizer[] | undefined;
  #counted: readonly Counted[] = [];

  /** `list` is asked every time; the same array is the same chain. */
  constructor(list: () => readonly NamedAuthorizer[], metrics: MetricSet) {
    this.#list = list;
    this.#decisions = metrics.counter(
      'apiserver_authorization_decisions_total',
      'Requests that an authorizer allowed or denied',
      ['type', 'name', 'decision'],
    );
  }

  authorize(attributes: Attributes): Deciding {
    if (attributes.user.groups.includes(groups.masters)) return allowed;
    return this.#ask(this.#current(), 0, attributes, [], []);
  }

  rulesFor(user: User, namespace: string): Rules {
    if (user.groups.includes(groups.masters)) return everything;
    const all = this.#current().map(({ authorizer }) => authorizer.rulesFor(user, namespace));
    const missing = all.flatMap(({ incomplete }) => incomplete ?? []);
    const rules = all.flatMap((one) => one.rules);
    if (missing.length === 0) return { rules };
    return { rules, incomplete: aggregate(missing) };
  }

  #ask(list: readonly Counted[], from: number, attributes: Attributes, reasons: string[], errors: string[]): Deciding {
    for (let i = from; i < list.length; i++) {
      const opinion = list[i]!.authorizer.authorize(attributes);
      if (opinion instanceof Promise)
        return opinion.then(
          (known) =>
            this.#take(list[i]!, known, reasons, errors) ?? this.#ask(list, i + 1, attributes, reasons, errors),
        );
      const decision = this.#take(list[i]!, opinion, reasons, errors);
      if (decision !== undefined) return decision;
    }
    const reason = reasons.join('\n');
    return errors.length === 0 ? { allowed: false, reason } : { allowed: false, reason, error: aggregate(errors) };
  }

  #take(by: Counted, { verdict, reason, error }: Opinion, reasons: string[], errors: string[]): Decision | undefined {
    if (verdict === 'allow') {
      by.allowed.add();
      return { allowed: true, reason };
    }
    if (verdict === 'deny') {
      by.denied.add();
      return { allowed: false, denied: true, reason, ...(error !== undefined && { error }) };
    }
    if (error !== undefined) errors.push(error);
    if (reason !== '') reasons.push(reason);
    return undefined;
  }

  #current(): readonly Counted[] {
    const list = this.#list();
    if (list === this.#known) return this.#counted;
    this.#known = list;
    this.#counted = list.map((one) => ({
      ...one,
      allowed: this.#decisions.with(one.type, one.name, 'allowed'),
      denied: this.#decisions.with(one.type, one.name, 'denied'),
    }));
    return this.#counted;
  }
}

function aggregate(problems: readonly string[]): string {
  return problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`;
}

export const alwaysAllow: Authorizer = {
  authorize: () => ({ verdict: 'allow', reason: '' }),
  rulesFor: () => everything,
};

export const alwaysDeny: Authorizer = {
  authorize: () => ({ verdict: 'none', reason: 'Everything is forbidden.' }),
  rulesFor: () => ({ rules: [] }),
};
