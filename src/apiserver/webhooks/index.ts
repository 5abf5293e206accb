/**
 * Asking somebody else over HTTPS: what webhooks of every sort (admission, conversion) are called by. The address is a URL or a Service of the
 * cluster; a Service is reached at one of its ready endpoints, under the name `<service>.<namespace>.svc`. Connections are kept and used again.
 */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Registry } from '../registry/context.ts';
import { type ServiceReference, serviceAddress } from './service.ts';

export interface WebhookClientConfig {
  readonly url?: string;
  readonly service?: ServiceReference;
  /** Base64 of PEM: whom to believe; absent: what the system believes. */
  readonly caBundle?: string;
}

export interface WebhookCall {
  readonly config: WebhookClientConfig;
  readonly body: unknown;
  /** Milliseconds. */
  readonly timeout: number;
  /** The request that it is asked for. */
  readonly signal?: AbortSignal;
}

const responseLimit = 8 << 20;
const mostAgents = 100;
const mostSockets = 64;

/** Why there was no answer, as a sentence. Never holds what was sent. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
}

export class WebhookClient {
  /** By whom it is that they speak to and whom they believe. */
  readonly #agents = new Map<string, Agent>();

  /**
   * The JSON of the answer.
   * @throws WebhookError when there is none in time, it is not a success, or no JSON.
   */
  async post(registry: Registry, { config, body, timeout, signal }: WebhookCall): Promise<unknown> {
    const shown = shownUrl(config, timeout);
    const failed = (why: string) => new WebhookError(`Post ${JSON.stringify(shown)}: ${why}`);
    const target = await this.#target(registry, config).catch((error: Error) => {
      throw failed(error.message);
    });
    const bytes = Buffer.from(JSON.stringify(body));
    const url = new URL(shown);
    const path = url.pathname + url.search;
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = httpsRequest({
        ...target,
        method: 'POST',
        path,
        headers: {
          Host: url.host,
          'Content-Type': 'application/json',
          Accept: 'application/json',
          'Content-Length': bytes.length,
          'User-Agent': 'kube-apiserver-admission',
        },
      });
      const timer = registry.clock.after(timeout, () => sent.destroy(new Error('context deadline exceeded')));
      const abort = () => sent.destroy(new Error('context canceled'));
      signal?.addEventListener('abort', abort, { once: true });
      const done = () => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
      };
      sent.on('error', (error) => {
        done();
        reject(failed(error.message));
      });
      sent.on('response', (response) =>
        textOf(response).then(
          (text) => {
            done();
            resolve({ status: response.statusCode ?? 0, text });
          },
          (error: Error) => {
            done();
            sent.destroy();
            reject(failed(error.message));
          },
        ),
      );
      sent.end(bytes);
    });
    if (status < 200 || status > 299) throw failed(`the server answered with status ${status}: ${text.slice(0, 500)}`);
    try {
      return JSON.parse(text);
    } catch {
      throw failed('the answer is not JSON');
    }
  }

  async #target(registry: Registry, { url, service, caBundle = '' }: WebhookClientConfig) {
    const named = service === undefined ? new URL(url!) : undefined;
    const host = named?.hostname.replace(/^\[|\]$/g, '') ?? '';
    const address =
      service === undefined
        ? { host, port: Number(named!.port || 443), servername: isAddress(host) ? '' : host }
        : { ...(await serviceAddress(registry, service)), servername: `${service.name}.${service.namespace}.svc` };
    return { ...address, agent: this.#agent(address.servername, caBundle) };
  }

  #agent(servername: string, caBundle: string): Agent {
    const key = `${servername} ${caBundle}`;
    let agent = this.#agents.get(key);
    if (agent !== undefined) return agent;
    const [oldest] = this.#agents;
    if (this.#agents.size >= mostAgents && oldest !== undefined) {
      oldest[1].destroy();
      this.#agents.delete(oldest[0]);
    }
    agent = new Agent({
      keepAlive: true,
      maxSockets: mostSockets,
      ...(caBundle !== '' && { ca: Buffer.from(caBundle, 'base64') }),
    });
    this.#agents.set(key, agent);
    return agent;
  }

  /** Ends all connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

/** As the webhook is told how long it has, and as it is named in errors. */
function shownUrl({ url, service }: WebhookClientConfig, timeout: number): string {
  const shown = new URL(
    url ?? `https://${service!.name}.${service!.namespace}.svc:${service!.port ?? 443}${rooted(service!.path ?? '')}`,
  );
  shown.searchParams.set('timeout', `${Math.ceil(timeout / 1000)}s`);
  return shown.href;
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > responseLimit) throw new Error(`the answer is longer than ${responseLimit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
