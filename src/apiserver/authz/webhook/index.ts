/**
 * May they: asked of somebody else with a SubjectAccessReview over HTTPS, the answer kept for a while. What is kept is answered at once. When there is no
 * answer the failure policy decides, after a few tries where another try may help.
 */
import type { Clock, MetricSet, Random } from '../../../machinery/index.ts';
import { type Remote, RemoteError, RemoteJson } from '../../authn/remote.ts';
import type { Attributes, Opinion } from '../attributes.ts';
import type { Authorizer } from '../chain.ts';
import type { WebhookConfiguration } from '../configuration.ts';
import { conditionsOf, type Matches } from './conditions.ts';
import { WebhookCounts } from './counts.ts';
import { type ReviewSpec, specOf } from './review.ts';

export interface AuthorizationWebhookOptions {
  readonly name: string;
  readonly configuration: Omit<WebhookConfiguration, 'kubeConfigFile'>;
  readonly remote: Remote;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: MetricSet;
  /** Told when there was no answer. */
  failed?(error: Error): void;
}

interface Status {
  readonly allowed: boolean;
  readonly denied: boolean;
  readonly reason: string;
}

interface Kept {
  readonly status: Status;
  readonly until: number;
}

const mostKept = 8192;
/** Characters of attributes beyond which an answer is not kept: who asks chooses them. */
const longestKept = 10_000;
const tries = 5;
/** Milliseconds before the second try, each further wait half as long again, by up to a fifth more by chance. */
const firstWait = 500;

export class AuthorizationWebhook implements Authorizer {
  readonly #options: AuthorizationWebhookOptions;
  readonly #remote: RemoteJson;
  readonly #matches: Matches | undefined;
  readonly #counts: WebhookCounts;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>();
  #closed = false;

  /** Throws when the connection or a match condition cannot be; `field`: of the match conditions, for the error. */
  constructor(options: AuthorizationWebhookOptions, field: string) {
    const { configuration, remote, clock, metrics, name } = options;
    this.#options = options;
    this.#remote = new RemoteJson(remote, clock, configuration.timeout);
    this.#counts = new WebhookCounts(metrics, name);
    const { matchConditions } = configuration;
    this.#matches = matchConditions.length === 0 ? undefined : conditionsOf(field, matchConditions);
  }

  authorize(attributes: Attributes): Opinion | Promise<Opinion> {
    const spec = specOf(attributes);
    try {
      if (!this.#isAsked(spec)) return { verdict: 'none', reason: '' };
    } catch (error) {
      return this.#onError((error as Error).message);
    }
    const key = JSON.stringify(spec);
    const { clock } = this.#options;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > clock.monotonic()) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return opinionOf(kept.status);
    }
    return this.#ask(spec, key, attributes);
  }

  rulesFor() {
    return { rules: [], incomplete: 'webhook authorizer does not support user rule resolution' };
  }

  close(): void {
    this.#closed = true;
    this.#remote.close();
  }

  #isAsked(spec: ReviewSpec): boolean {
    if (this.#matches === undefined) return true;
    const { clock } = this.#options;
    const began = clock.monotonic();
    try {
      const matches = this.#matches(spec);
      if (!matches) this.#counts.excluded.add();
      return matches;
    } catch (error) {
      this.#counts.conditionErrors.add();
      throw error;
    } finally {
      this.#counts.conditions.observe((clock.monotonic() - began) / 1000);
    }
  }

  async #ask(spec: ReviewSpec, key: string, attributes: Attributes): Promise<Opinion> {
    const { clock, configuration, failed } = this.#options;
    let result = 'error';
    try {
      const status = await this.#retried(spec, (of) => (result = of));
      if (sizeOf(attributes) < longestKept) {
        const ttl = status.allowed ? configuration.authorizedTtl : configuration.unauthorizedTtl;
        if (ttl > 0) this.#keep(key, { status, until: clock.monotonic() + ttl });
      }
      return opinionOf(status);
    } catch (error) {
      failed?.(error as Error);
      if (configuration.failurePolicy === 'NoOpinion') this.#counts.failedOpen(result);
      return this.#onError((error as Error).message);
    }
  }

  async #retried(spec: ReviewSpec, note: (result: string) => void): Promise<Status> {
    const { clock, random } = this.#options;
    let wait = firstWait;
    for (let left = tries; ; ) {
      const began = clock.monotonic();
      const tell = (result: string) => {
        note(result);
        this.#counts.asked(result, (clock.monotonic() - began) / 1000);
      };
      try {
        const status = statusOf(await this.#remote.ask(this.#questionOf(spec)));
        tell('success');
        return status;
      } catch (error) {
        const told = error as RemoteError | Error;
        tell(told instanceof RemoteError && told.cause === 'timeout' ? 'timeout' : 'error');
        if (--left === 0 || this.#closed || !mayHelp(told)) throw told;
      }
      await clock.sleep(wait * (1 + random.next() * 0.2));
      wait *= 1.5;
    }
  }

  #questionOf(spec: ReviewSpec): object {
    const { version } = this.#options.configuration;
    const { groups, ...rest } = spec;
    return {
      kind: 'SubjectAccessReview',
      apiVersion: `authorization.k8s.io/${version}`,
      metadata: {},
      spec: version === 'v1' ? spec : { ...rest, group: groups },
      status: { allowed: false },
    };
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!);
  }

  #onError(error: string): Opinion {
    const deny = this.#options.configuration.failurePolicy === 'Deny';
    return { verdict: deny ? 'deny' : 'none', reason: '', error };
  }
}

function statusOf(answer: any): Status {
  const { allowed, denied = false, reason = '' } = answer?.status ?? {};
  if (answer?.kind !== 'SubjectAccessReview' || typeof allowed !== 'boolean' || typeof denied !== 'boolean')
    throw new Error('the answer is no SubjectAccessReview with a status');
  return { allowed, denied, reason: typeof reason === 'string' ? reason : '' };
}

function opinionOf({ allowed, denied, reason }: Status): Opinion {
  if (denied && allowed)
    return {
      verdict: 'deny',
      reason,
      error: 'webhook subject access review returned both allow and deny response',
    };
  return { verdict: denied ? 'deny' : allowed ? 'allow' : 'none', reason };
}

/** The connection broke, or the other side says that it cannot now. */
function mayHelp(error: Error): boolean {
  if (!(error instanceof RemoteError)) return false;
  return error.cause === 'reset' || error.status === 500 || error.status === 429;
}

function sizeOf({ namespace, verb, group, resource, subresource, name, path, ...rest }: Attributes): number {
  const { version = '', fieldSelector = '', labelSelector = '' } = rest;
  return [namespace, verb, group, version, resource, subresource, name, path, fieldSelector, labelSelector].reduce(
    (sum, text) => sum + text.length,
    0,
  );
}
