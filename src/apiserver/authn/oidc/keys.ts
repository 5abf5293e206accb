/** The keys that a provider signs with: found by its discovery document, fetched when they are needed, and again when one is unknown. */
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../../machinery/index.ts';
import { RemoteJson } from '../remote.ts';

export interface Provider {
  readonly issuer: string;
  /** Where its discovery document is, if it is not below the issuer. */
  readonly discoveryURL?: string;
  readonly ca?: string;
}

/** Unknown keys make no more requests than this, in milliseconds between two. */
const pause = 10_000;

export class ProviderKeys {
  readonly #provider: Provider;
  readonly #clock: Clock;
  #remote: RemoteJson | undefined;
  #keys: JWTVerifyGetKey | undefined;
  #fetching: Promise<JWTVerifyGetKey> | undefined;
  #fetched = Number.NEGATIVE_INFINITY;

  constructor(provider: Provider, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = this.#keys ?? (await this.#fetch());
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#clock.monotonic() - this.#fetched < pause) throw error;
    }
    // the provider has changed its keys
    return (await this.#fetch())(header, token);
  };

  #fetch(): Promise<JWTVerifyGetKey> {
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<JWTVerifyGetKey> {
    this.#fetched = this.#clock.monotonic();
    this.#remote ??= await this.#discover();
    const keys = createLocalJWKSet(await this.#remote.ask());
    this.#keys = keys;
    return keys;
  }

  async #discover(): Promise<RemoteJson> {
    const { issuer, discoveryURL, ca } = this.#provider;
    const url = discoveryURL ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const discovery = new RemoteJson({ url, ca }, this.#clock);
    try {
      const found = await discovery.ask();
      if (found.issuer !== issuer)
        throw new Error(`${url} speaks for the issuer ${JSON.stringify(found.issuer)}, not ${JSON.stringify(issuer)}`);
      return new RemoteJson({ url: String(found.jwks_uri), ca }, this.#clock);
    } finally {
      discovery.close();
    }
  }

  close(): void {
    this.#remote?.close();
  }
}
