/** Tokens that new machines join with: `<id>.<secret>`, each a Secret in kube-system. */
import { timingSafeEqual } from 'node:crypto';
import { type AnyObject, type Clock, StatusError } from '../../machinery/index.ts';
import type { User } from '../request.ts';
import type { TokenAuthenticator } from './index.ts';

const shape = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const group = 'system:bootstrappers';
const groupShape = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export class BootstrapTokens implements TokenAuthenticator {
  readonly #secret: (namespace: string, name: string) => Promise<AnyObject | undefined>;
  readonly #clock: Clock;

  constructor(secret: (namespace: string, name: string) => Promise<AnyObject | undefined>, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /** Undefined for what does not look like one. Throws `Unauthorized` for one that is not good. */
  async authenticate(token: string): Promise<User | undefined> {
    const [, id, secret] = shape.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const found = await this.#secret('kube-system', `bootstrap-token-${id}`);
    const text = (name: string) => Buffer.from(found?.data?.[name] ?? '', 'base64').toString();
    const good =
      found?.type === 'bootstrap.kubernetes.io/token' &&
      found.metadata.deletionTimestamp === undefined &&
      same(text('token-secret'), secret) &&
      text('token-id') === id &&
      text('usage-bootstrap-authentication') === 'true' &&
      !this.#hasExpired(text('expiration'));
    const more = text('auth-extra-groups').split(',').filter(Boolean);
    if (!good || !more.every((one) => groupShape.test(one))) throw StatusError.unauthorized();
    return { name: `system:bootstrap:${id}`, groups: [...new Set([group, ...more])] };
  }

  /** What cannot be read has expired. */
  #hasExpired(expiration: string): boolean {
    return expiration !== '' && !(Date.parse(expiration) > this.#clock.now());
  }
}

function same(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
