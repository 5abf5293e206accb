/** One HTTP exchange with a deadline for every wait. Redirects, credentials and repetition are the callers'. */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import type { Clock } from '../../../machinery/index.ts';
import { ImageError } from '../errors.ts';

export interface Exchange {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  url: URL;
  headers?: Record<string, string>;
  body?: Uint8Array | Readable;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  url: URL;
  /** Must be read or destroyed. Rejects when the connection ends early or is silent for too long. */
  body: http.IncomingMessage;
}

export interface HttpOptions {
  clock: Clock;
  /** PEM certificates to trust besides the system's, for one registry host (`host:port`). */
  ca?: (host: string) => string | undefined;
  userAgent: string;
  /** Milliseconds until the answer's headers, and between any two pieces of a body. */
  idleTimeout: number;
}

/** What went wrong before there was an answer: worth repeating. */
export class TransportError extends ImageError {
  constructor(url: URL, why: string, cause?: unknown) {
    super('RegistryUnavailable', `${url.protocol}//${url.host} cannot be reached: ${why}`, cause);
    this.name = 'TransportError';
  }
}

export class HttpClient {
  readonly #options: HttpOptions;
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: 8 });
  readonly #secure = new https.Agent({ keepAlive: true, maxSockets: 8 });

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  async send(exchange: Exchange): Promise<Answer> {
    exchange.signal?.throwIfAborted();
    const { url, method, body } = exchange;
    const headers: Record<string, string> = { 'user-agent': this.#options.userAgent, ...exchange.headers };
    if (body instanceof Uint8Array) headers['content-length'] = String(body.byteLength);
    else if (body === undefined && method !== 'GET' && method !== 'HEAD') headers['content-length'] = '0';
    const secure = url.protocol === 'https:';
    const ca = secure ? this.#options.ca?.(url.host) : undefined;
    const common = { method, headers, signal: exchange.signal };
    const request = secure
      ? https.request(url, { ...common, agent: this.#secure, ...(ca && { ca: withSystem(ca) }) })
      : http.request(url, { ...common, agent: this.#plain });
    return await this.#answer(request, exchange);
  }

  #answer(request: http.ClientRequest, { url, body, signal }: Exchange): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const idle = this.#watch(request);
      const failed = (error: Error) => {
        idle.stop();
        reject(signal?.aborted ? (signal.reason as Error) : new TransportError(url, error.message, error));
      };
      request.on('error', failed);
      request.on('response', (response) => {
        response.on('data', idle.touch).on('close', idle.stop);
        response.pause();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, url, body: response });
      });
      if (body === undefined || body instanceof Uint8Array) {
        request.end(body);
        return;
      }
      body.on('data', idle.touch).on('error', (error) => request.destroy(error));
      body.pipe(request);
    });
  }

  /** Ends a connection on which nothing has moved for too long. */
  #watch(request: http.ClientRequest) {
    const { clock, idleTimeout } = this.#options;
    let last = clock.monotonic();
    const timer = clock.every(Math.max(10, idleTimeout / 4), () => {
      if (clock.monotonic() - last >= idleTimeout) request.destroy(new Error(`nothing came for ${idleTimeout} ms`));
    });
    return { touch: () => void (last = clock.monotonic()), stop: () => timer.cancel() };
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

function withSystem(ca: string): string[] {
  return [...tlsRoots(), ca];
}

let roots: readonly string[] | undefined;
function tlsRoots(): readonly string[] {
  roots ??= process.getBuiltinModule('node:tls').rootCertificates;
  return roots;
}

/** The whole body, at most `limit` bytes of it. */
export async function readBody(answer: Answer, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new ImageError('ErrImagePull', `${what} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
