/** One group version that another server answers for: where it is, and how it is asked. */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { APIService } from '../../api/index.ts';
import type { Registry } from '../registry/index.ts';
import type { User } from '../request.ts';
import { serviceAddress } from '../webhooks/service.ts';

/** How this server shows itself to those it passes requests on to, so that they believe whom it names. PEM. */
export interface FrontProxy {
  readonly certificate: string;
  readonly key: string;
  /** By which they can tell. */
  readonly authority: string;
}

export interface RemoteRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: Buffer;
  readonly user: User;
  readonly signal?: AbortSignal;
}

const connectTimeout = 10_000;

export class Remote {
  readonly group: string;
  readonly version: string;
  readonly service: { namespace: string; name: string; port: number };
  readonly #registry: Registry;
  readonly #agent: Agent;

  constructor(registry: Registry, { spec }: APIService, proxy: FrontProxy | undefined) {
    this.#registry = registry;
    this.group = spec.group ?? '';
    this.version = spec.version ?? '';
    const { namespace = '', name = '', port = 443 } = spec.service ?? {};
    this.service = { namespace, name, port };
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 256,
      servername: `${name}.${namespace}.svc`,
      rejectUnauthorized: !spec.insecureSkipTLSVerify,
      ...(spec.caBundle && { ca: Buffer.from(spec.caBundle, 'base64') }),
      ...(proxy && { cert: proxy.certificate, key: proxy.key }),
    });
  }

  /** Rejects when there is no way to it. The answer's body is the caller's to read. */
  async ask({ method, path, headers, body, user, signal }: RemoteRequest): Promise<IncomingMessage> {
    const { host, port } = await serviceAddress(this.#registry, this.service);
    return new Promise((resolve, reject) => {
      const sent = httpsRequest({
        agent: this.#agent,
        host,
        port,
        method,
        path,
        headers: {
          ...headers,
          ...identityOf(user),
          host: `${this.service.name}.${this.service.namespace}.svc:${this.service.port}`,
          ...(body !== undefined && { 'content-length': String(body.length) }),
        },
      });
      const timer = this.#registry.clock.after(connectTimeout, () =>
        sent.destroy(new Error(`no connection within ${connectTimeout / 1000} s`)),
      );
      sent.once('socket', (socket) => {
        if (!socket.connecting) timer.cancel();
        else socket.once('secureConnect', () => timer.cancel());
      });
      sent.once('response', resolve);
      sent.once('error', (error) => {
        timer.cancel();
        reject(error);
      });
      signal?.addEventListener('abort', () => sent.destroy(new Error('the client went away')), { once: true });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function identityOf({ name, uid, groups, extra = {} }: User): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': name, 'x-remote-group': [...groups] };
  if (uid) headers['x-remote-uid'] = uid;
  for (const [key, values] of Object.entries(extra))
    headers[`x-remote-extra-${encodeURIComponent(key.toLowerCase())}`] = [...values];
  return headers;
}
