/** Asking another server for JSON over HTTPS: providers of identities, and webhooks that are configured by file. */
import { Agent, request } from 'node:https';
import type { Clock } from '../../machinery/index.ts';

export interface Remote {
  readonly url: string;
  /** PEM; absent: whom the system believes. */
  readonly ca?: string;
  /** PEM of this server's own certificate there. */
  readonly certificate?: string;
  readonly key?: string;
  /** Sent as a bearer token. */
  readonly token?: string;
}

const standardTimeout = 10_000;
const sizeLimit = 1 << 20;

/** Why there was no answer. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  override readonly cause: 'timeout' | 'reset' | 'status' | 'other';
  /** Of an answer that is no success. */
  readonly status: number | undefined;

  constructor(message: string, cause: RemoteError['cause'], status?: number) {
    super(message);
    this.cause = cause;
    this.status = status;
  }
}

/** Keeps its connections. */
export class RemoteJson {
  readonly #remote: Remote;
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #timeout: number;

  /** Throws when the URL is none or not https. `timeout`: milliseconds for an answer; absent: ten seconds. */
  constructor(remote: Remote, clock: Clock, timeout = standardTimeout) {
    if (new URL(remote.url).protocol !== 'https:') throw new TypeError(`${remote.url}: an https URL is expected`);
    this.#remote = remote;
    this.#clock = clock;
    this.#timeout = timeout;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 32,
      ...(remote.ca !== undefined && { ca: remote.ca }),
      ...(remote.certificate !== undefined && { cert: remote.certificate, key: remote.key }),
    });
  }

  /** GET, or with a body POST. Rejects with a RemoteError on anything but a success with JSON in time; never says what was sent. */
  ask(body?: unknown): Promise<any> {
    const { url, token } = this.#remote;
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      let cause: RemoteError['cause'] = 'other';
      const failed = (why: string, status?: number) => {
        timer.cancel();
        reject(new RemoteError(`${url}: ${why}`, status === undefined ? cause : 'status', status));
      };
      const sent = request(url, {
        agent: this.#agent,
        method: bytes === undefined ? 'GET' : 'POST',
        headers: {
          Accept: 'application/json',
          ...(bytes && { 'Content-Type': 'application/json', 'Content-Length': bytes.length }),
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        },
      });
      const timer = this.#clock.after(this.#timeout, () => {
        cause = 'timeout';
        sent.destroy(new Error(`no answer within ${this.#timeout / 1000} s`));
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNRESET' || error.code === 'EPIPE') cause = 'reset';
        failed(error.message);
      });
      sent.on('response', (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (part: Buffer) => {
          parts.push(part);
          if ((size += part.length) > sizeLimit) sent.destroy(new Error(`more than ${sizeLimit} bytes`));
        });
        response.on('end', () => {
          const { statusCode = 0 } = response;
          if (statusCode < 200 || statusCode > 299) return failed(`answered with status ${statusCode}`, statusCode);
          timer.cancel();
          try {
            resolve(JSON.parse(Buffer.concat(parts).toString()));
          } catch {
            failed('the answer is not JSON');
          }
        });
        response.on('error', (error) => failed(error.message));
      });
      sent.end(bytes);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
