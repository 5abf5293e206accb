/** Service account tokens bound to pods: asked for once, kept, and asked for anew before they end. */
import type { Client } from '../client/index.ts';
import type { AnyObject, Clock } from '../machinery/index.ts';
import { type Pod, serviceAccounts } from './kinds.ts';

export interface Token {
  value: string;
  /** When a new one should be fetched, milliseconds since the epoch. */
  refreshAt: number;
  expiresAt: number;
}

const day = 24 * 3600 * 1000;

export class Tokens {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Token>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** A token that is not yet due; while the API is away, the old one for as long as it is valid. */
  async get(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Token> {
    const key = `${pod.metadata.uid}/${audience ?? ''}/${expirationSeconds}`;
    const held = this.#tokens.get(key);
    if (held && this.#clock.now() < held.refreshAt) return held;
    try {
      const token = await this.#request(pod, audience, expirationSeconds);
      this.#tokens.set(key, token);
      return token;
    } catch (error) {
      if (held && this.#clock.now() < held.expiresAt) return { ...held, refreshAt: this.#clock.now() + 10_000 };
      throw error;
    }
  }

  release(podUid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${podUid}/`)) this.#tokens.delete(key);
  }

  async #request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Token> {
    const { name, namespace, uid } = pod.metadata;
    const request: AnyObject = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: pod.spec?.serviceAccountName || 'default', namespace },
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const answer: AnyObject = await this.#client.create<AnyObject, AnyObject>(serviceAccounts as never, request, {
      subresource: 'token',
    });
    const now = this.#clock.now();
    const expiresAt = Date.parse(answer.status.expirationTimestamp);
    return { value: answer.status.token, expiresAt, refreshAt: Math.min(now + (expiresAt - now) * 0.8, now + day) };
  }
}
