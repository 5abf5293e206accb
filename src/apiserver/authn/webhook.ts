/** Bearer tokens that somebody else knows: asked with a TokenReview (authentication.k8s.io/v1), the answer kept for a while. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../machinery/index.ts';
import type { User } from '../request.ts';
import type { TokenAuthenticator } from './index.ts';
import { type Remote, RemoteJson } from './remote.ts';

export interface TokenWebhookOptions {
  readonly remote: Remote;
  /** How long an answer holds, in milliseconds; absent: two minutes. */
  readonly cacheTtl?: number;
  readonly clock: Clock;
  /** Told when there was no answer: the token then counts as unknown. */
  failed?(error: Error): void;
}

const most = 10_000;

interface Known {
  readonly user: User | undefined;
  readonly until: number;
}

export class WebhookTokens implements TokenAuthenticator {
  readonly #options: TokenWebhookOptions;
  readonly #remote: RemoteJson;
  /** By the hash of the token: what is remembered opens no door. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<User | undefined>>();

  constructor(options: TokenWebhookOptions) {
    this.#options = options;
    this.#remote = new RemoteJson(options.remote, options.clock);
  }

  authenticate(token: string): Promise<User | undefined> | User | undefined {
    const id = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(id);
    if (known !== undefined && known.until > this.#options.clock.monotonic()) return known.user;
    let asking = this.#asking.get(id);
    if (asking === undefined) {
      asking = this.#ask(id, token).finally(() => this.#asking.delete(id));
      this.#asking.set(id, asking);
    }
    return asking;
  }

  async #ask(id: string, token: string): Promise<User | undefined> {
    const { clock, cacheTtl = 120_000, failed } = this.#options;
    try {
      const review = { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: { token } };
      const user = userOf(await this.#remote.ask(review));
      if (this.#known.size >= most) this.#known.clear();
      this.#known.set(id, { user, until: clock.monotonic() + cacheTtl });
      return user;
    } catch (error) {
      failed?.(error as Error);
      return undefined;
    }
  }

  close(): void {
    this.#remote.close();
  }
}

function userOf(review: any): User | undefined {
  const { authenticated, user } = review?.status ?? {};
  if (authenticated !== true) return undefined;
  const { username = '', uid, groups = [], extra } = user ?? {};
  const strings = (list: unknown) => Array.isArray(list) && list.every((one) => typeof one === 'string');
  if (typeof username !== 'string' || !strings(groups) || !Object.values(extra ?? {}).every(strings))
    throw new Error('the answer is no TokenReview with a user');
  return { name: username, groups, ...(uid && { uid: String(uid) }), ...(extra && { extra }) };
}
