/** One group version that another server answers for: where it is, and how it is asked. */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
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
  readonly #tls: ConnectionOptions;

  constructor(registry: Registry, { spec }: APIService, proxy: FrontProxy | undefined) {
    this.#registry = registry;
    this.group = spec.group ?? '';
    this.version = spec.version ?? '';
    const { namespace = '', name = '', port = 443 } = spec.service ?? {};
    this.service = { namespace, name, port };
    this.#tls = {
      servername: `${name}.${namespace}.svc`,
      rejectUnauthorized: !spec.insecureSkipTLSVerify,
      ...(spec.caBundle && { ca: Buffer.from(spec.caBundle, 'base64') }),
      ...(proxy && { cert: proxy.certificate, key: proxy.key }),
    };
    this.#agent = new Agent({ keepAlive: true, maxSockets: 256, ...this.#tls });
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
          host: this.#host,
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

  get #host(): string {
    const { name, namespace, port } = this.service;
    return `${name}.${namespace}.svc:${port}`;
  }

  /** A connection of its own, on which the request has been made; what follows is between the client and the server. */
  async connect({ method, path, headers, user }: Omit<RemoteRequest, 'body' | 'signal'>): Promise<TLSSocket> {
    const { host, port } = await serviceAddress(this.#registry, this.service);
    const socket = connect({ ...this.#tls, host, port, ALPNProtocols: ['http/1.1'] });
    const timer = this.#registry.clock.after(connectTimeout, () =>
      socket.destroy(new Error(`no connection within ${connectTimeout / 1000} s`)),
    );
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', () => resolve());
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the connection was closed')));
    }).finally(() => timer.cancel());
    const lines = [`${method} ${path} HTTP/1.1`, `Host: ${this.#host}`];
    for (const [name, value] of Object.entries({ ...headers, ...identityOf(user) }))
      for (const one of [value].flat()) lines.push(`${name}: ${one}`);
    // as Node itself would: a name from a certificate may hold what ends a line
    if (lines.some((line) => /[\r\n\0]/.test(line))) {
      socket.destroy();
      throw new Error('a header holds the end of a line');
    }
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    return socket;
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
