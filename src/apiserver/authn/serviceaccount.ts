/**
 * Service account tokens: signed (ES256), bound to the account and, when asked, to a pod, secret or node; good only while what they are bound to
 * exists. Claims as upstream's (KEP-1205).
 */
import { createHash } from 'node:crypto';
import {
  type AnyObject,
  type Clock,
  type Counter,
  MetricSet,
  type Random,
  StatusError,
} from '../../machinery/index.ts';
import type { User } from '../request.ts';
import { decodePart, isSigned, type Keys, keysOf, signed } from './keys.ts';
import type { Note } from './note.ts';
import { type SecretClaims, secretIssuer, SecretTokens } from './secrettoken.ts';

export interface TokenSigner {
  /** PEM of a P-256 key; read when the first token is asked for. */
  readonly key: string;
  readonly issuer: string;
}

export interface TokenClaims {
  iss: string;
  sub: string;
  aud: string[];
  /** Seconds since the epoch. */
  iat: number;
  nbf: number;
  exp: number;
  jti: string;
  'kubernetes.io': {
    namespace: string;
    serviceaccount: { name: string; uid: string };
    pod?: { name: string; uid: string };
    secret?: { name: string; uid: string };
    node?: { name: string; uid: string };
    /** Seconds since the epoch: who still shows the token then does not read its file again, as it should. */
    warnafter?: number;
  };
}

export interface BoundTo {
  kind: 'Pod' | 'Secret' | 'Node';
  name: string;
  uid: string;
  /** Of a pod: where it runs. */
  node?: { name: string; uid: string };
}

export interface TokenRequest {
  serviceAccount: { namespace: string; name: string; uid: string };
  audiences: readonly string[];
  /** Seconds. */
  lifetime: number;
  /** Seconds after which its use is recorded as stale. */
  warnAfter?: number;
  boundTo?: BoundTo;
}

/** Reads an object of the core group, to see whether what a token is bound to still exists. */
export type Lookup = (resource: string, namespace: string, name: string) => Promise<AnyObject | undefined>;

const cacheLimit = 10_000;

export interface AccountTokensAround {
  /** Where uses are counted; absent: nowhere. */
  readonly metrics?: MetricSet;
  /** Told once a day that the token of a Secret is used. */
  used?(secret: AnyObject, day: string): void;
}

export class ServiceAccountTokens {
  readonly issuer: string;
  readonly #signer: TokenSigner;
  #keys: Keys | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lookup: Lookup;
  /** Signatures that were checked before, by the hash of the token: the rest is checked every time. */
  readonly #verified = new Map<string, TokenClaims | SecretClaims>();

  readonly #stale: Counter;
  readonly #valid: Counter;

  readonly #ofSecrets: SecretTokens;

  constructor(signer: TokenSigner, clock: Clock, random: Random, lookup: Lookup, around: AccountTokensAround = {}) {
    const { metrics = new MetricSet(), used } = around;
    this.#ofSecrets = new SecretTokens({ clock, metrics, lookup, ...(used && { used }) });
    const counter = (name: string, help: string) => metrics.counter(`serviceaccount_${name}_tokens_total`, help).with();
    this.#stale = counter('stale', 'Tokens that were shown after they should have been read again');
    this.#valid = counter('valid', 'Tokens that were shown before that');
    this.issuer = signer.issuer;
    this.#signer = signer;
    this.#clock = clock;
    this.#random = random;
    this.#lookup = lookup;
  }

  get #key(): Keys {
    return (this.#keys ??= keysOf(this.#signer.key));
  }

  /** The public key, for `/openid/v1/jwks`. */
  jwk(): Record<string, unknown> {
    return { use: 'sig', alg: 'ES256', kid: this.#key.id, ...this.#key.public.export({ format: 'jwk' }) };
  }

  issue(request: TokenRequest): { token: string; claims: TokenClaims } {
    const now = Math.floor(this.#clock.now() / 1000);
    const { namespace, name, uid } = request.serviceAccount;
    const bound = request.boundTo;
    const claims: TokenClaims = {
      aud: request.audiences.length > 0 ? [...request.audiences] : [this.issuer],
      exp: now + request.lifetime,
      iat: now,
      iss: this.issuer,
      jti: this.#random.uuid(),
      'kubernetes.io': {
        namespace,
        serviceaccount: { name, uid },
        ...(bound && { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
        // the node that a pod runs on is told with it
        ...(bound?.node && { node: bound.node }),
        ...(request.warnAfter !== undefined && { warnafter: now + request.warnAfter }),
      },
      nbf: now,
      sub: `system:serviceaccount:${namespace}:${name}`,
    };
    return { token: signed(this.#key, claims), claims };
  }

  /** For the API server itself: the token must name it among its audiences. */
  async authenticate(token: string, note?: Note): Promise<User | undefined> {
    const claims = this.#read(token);
    if (claims === undefined) return undefined;
    if (isOfSecret(claims)) return this.#ofSecrets.userOf(claims, token, note);
    const user = await this.#userOf(claims, [this.issuer]);
    const { warnafter } = claims['kubernetes.io'];
    if (warnafter === undefined) return user;
    const late = Math.floor(this.#clock.now() / 1000) - warnafter;
    (late > 0 ? this.#stale : this.#valid).add();
    if (late > 0)
      note?.('authentication.k8s.io/stale-token', `subject: ${claims.sub}, seconds after warning threshold: ${late}`);
    return user;
  }

  /** For TokenReview: also says which of the audiences asked for the token is good for. */
  async review(token: string, audiences: readonly string[]): Promise<{ user: User; audiences: string[] } | undefined> {
    const claims = this.#read(token);
    if (claims === undefined) return undefined;
    const wanted = audiences.length > 0 ? audiences : [this.issuer];
    if (isOfSecret(claims)) {
      // they name no audience: they are for this API server
      if (!wanted.includes(this.issuer)) throw StatusError.unauthorized();
      return { user: await this.#ofSecrets.userOf(claims, token), audiences: [this.issuer] };
    }
    const user = await this.#userOf(claims, wanted);
    return { user, audiences: wanted.filter((audience) => claims.aud.includes(audience)) };
  }

  #read(token: string): TokenClaims | SecretClaims | undefined {
    const id = createHash('sha256').update(token).digest('base64');
    const known = this.#verified.get(id);
    if (known !== undefined) return known;
    const parts = token.split('.');
    if (parts.length !== 3 || token.length > 16_384) return undefined;
    const claims = decodePart(parts[1]!) as TokenClaims | SecretClaims | undefined;
    if (claims?.iss !== this.issuer && claims?.iss !== secretIssuer) return undefined;
    if (!isSigned(this.#key, token)) throw StatusError.unauthorized();
    if (this.#verified.size >= cacheLimit) this.#verified.clear();
    this.#verified.set(id, claims);
    return claims;
  }

  async #userOf(claims: TokenClaims, audiences: readonly string[]): Promise<User> {
    const now = this.#clock.now() / 1000;
    const bound = claims['kubernetes.io'];
    const inTime = now < claims.exp && now >= claims.nbf - 60;
    if (!inTime || !audiences.some((audience) => claims.aud.includes(audience))) throw StatusError.unauthorized();
    await this.#require('serviceaccounts', bound.namespace, bound.serviceaccount);
    if (bound.pod) await this.#require('pods', bound.namespace, bound.pod);
    if (bound.secret) await this.#require('secrets', bound.namespace, bound.secret);
    // a pod's token outlives its node as long as the pod does
    if (bound.node && !bound.pod) await this.#require('nodes', '', bound.node);
    const { namespace, serviceaccount } = bound;
    const extra: Record<string, string[]> = { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] };
    if (bound.pod) {
      extra['authentication.kubernetes.io/pod-name'] = [bound.pod.name];
      extra['authentication.kubernetes.io/pod-uid'] = [bound.pod.uid];
    }
    if (bound.node) {
      extra['authentication.kubernetes.io/node-name'] = [bound.node.name];
      if (bound.node.uid) extra['authentication.kubernetes.io/node-uid'] = [bound.node.uid];
    }
    return {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      extra,
    };
  }

  async #require(resource: string, namespace: string, of: { name: string; uid: string }): Promise<void> {
    const found = await this.#lookup(resource, namespace, of.name);
    if (found?.metadata.uid !== of.uid) throw StatusError.unauthorized();
  }
}

function isOfSecret(claims: TokenClaims | SecretClaims): claims is SecretClaims {
  return claims.iss === secretIssuer;
}
