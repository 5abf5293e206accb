import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../../machinery/index.ts';

export interface ServerOptions {
  /** `https://host:port`, with a path if the API lives below one. Plain `http` is for tests and local proxies. */
  server: string;
  /** PEM; absent: the authorities that this machine trusts. */
  ca?: string | Buffer;
  /** PEM, together with `key`. */
  cert?: string | Buffer;
  key?: string | Buffer;
  token?: string;
  /** Asked before each request; for tokens that are renewed. */
  tokenProvider?: () => string | Promise<string>;
  /** The name that the server's certificate must hold, if not that in `server`. */
  tlsServerName?: string;
  insecureSkipTlsVerify?: boolean;
  clock: Clock;
  userAgent?: string;
  /** Milliseconds until an answer must have begun, and between two parts of it; absent: 60,000. Watches may be silent. */
  requestTimeout?: number;
  /** Connections for requests; absent: 64. Each open watch has one besides. */
  maxConnections?: number;
}

export interface TransportRequest {
  method: string;
  /** Escaped, beginning with a slash. */
  path: string;
  body?: string | Buffer;
  contentType?: string;
  accept?: string;
  signal?: AbortSignal;
  /** The answer goes on for as long as it pleases. */
  endless?: boolean;
}

/** The server could not be asked, or its answer broke off. Nothing is known of what became of a write. */
export class ConnectionError extends Error {
  readonly code: string | undefined;
  constructor(server: string, cause: unknown) {
    super(`no answer from ${server}: ${(cause as Error).message}`, { cause });
    this.name = 'ConnectionError';
    this.code = (cause as NodeJS.ErrnoException).code;
  }
}

/** Connections to one server, kept open between requests. HTTP/1.1: each watch and each slow answer has its own flow control. */
export class Transport {
  readonly #options: ServerOptions;
  readonly #base: URL;
  readonly #requests: http.Agent;
  readonly #streams: http.Agent;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#base = new URL(options.server);
    if (!/^https?:$/.test(this.#base.protocol))
      throw new TypeError(`server ${options.server}: it must begin with https://`);
    const { ca, cert, key, tlsServerName: servername, insecureSkipTlsVerify } = options;
    const secure = {
      ca,
      cert,
      key,
      servername,
      rejectUnauthorized: insecureSkipTlsVerify !== true,
      minVersion: 'TLSv1.2',
    } as const;
    const agent = (maxSockets: number) => {
      const keep = { keepAlive: true, keepAliveMsecs: 15_000, maxSockets };
      return this.#base.protocol === 'https:' ? new https.Agent({ ...keep, ...secure }) : new http.Agent(keep);
    };
    this.#requests = agent(options.maxConnections ?? 64);
    this.#streams = agent(Number.POSITIVE_INFINITY);
  }

  /** Resolves with the answer's head; its body is read by the caller. Rejects with `ConnectionError`, or the signal's reason. */
  async send(request: TransportRequest): Promise<http.IncomingMessage> {
    const headers = await this.#headers(request);
    try {
      return await this.#attempt(request, headers);
    } catch (error) {
      // The server closed a kept connection just as it was used again: nothing was lost, if nothing can have been done.
      const stale =
        (error as { stale?: boolean }).stale === true && (request.method === 'GET' || request.method === 'HEAD');
      if (stale && !request.signal?.aborted) return await this.#attempt(request, headers);
      throw error;
    }
  }

  /** Reads a body to its end. */
  async read(message: http.IncomingMessage, limit = 512 << 20): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of message as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > limit)
          throw new Error(`the answer is longer than ${limit} bytes: ask for less, with a limit or a selector`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw new ConnectionError(this.#options.server, error);
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
  }

  close(): void {
    this.#requests.destroy();
    this.#streams.destroy();
  }

  async #headers({ body, contentType, accept }: TransportRequest): Promise<http.OutgoingHttpHeaders> {
    const { token, tokenProvider, userAgent = 'glasshouse' } = this.#options;
    const bearer = tokenProvider === undefined ? token : await tokenProvider();
    return {
      accept: accept ?? 'application/json',
      'user-agent': userAgent,
      ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && {
        'content-type': contentType ?? 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
    };
  }

  #attempt(request: TransportRequest, headers: http.OutgoingHttpHeaders): Promise<http.IncomingMessage> {
    const { method, path, body, signal, endless = false } = request;
    const { server, clock, requestTimeout = 60_000 } = this.#options;
    const { protocol, hostname, port, pathname } = this.#base;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sent = (protocol === 'https:' ? https : http).request({
        method,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path: pathname.replace(/\/$/, '') + path,
        headers,
        agent: endless ? this.#streams : this.#requests,
      });
      const abort = () => sent.destroy(signal?.reason);
      const give = () => sent.destroy(new Error(`timed out after ${requestTimeout / 1_000} s`));
      let timer = clock.after(requestTimeout, give);
      signal?.addEventListener('abort', abort, { once: true });
      sent.once('close', () => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
      });
      sent.once('response', (message) => {
        timer.cancel();
        if (!endless) {
          const again = () => {
            timer.cancel();
            timer = clock.after(requestTimeout, give);
          };
          again();
          message.on('data', again).pause();
          message.once('end', () => timer.cancel());
        }
        resolve(message);
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (signal?.aborted) return reject(signal.reason);
        const failed = new ConnectionError(server, error);
        reject(
          Object.assign(failed, {
            stale: sent.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE'),
          }),
        );
      });
      sent.end(body);
    });
  }
}
