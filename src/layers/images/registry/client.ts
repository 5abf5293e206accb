/** One repository of one registry, in the words of the OCI distribution specification, with one set of credentials. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ImageError } from '../errors.ts';
import { repositoryName, type Reference } from '../reference.ts';
import { type Descriptor, limits, manifestTypes } from '../spec.ts';
import type { RegistryAuth } from './credentials.ts';
import { type Answer, type Exchange, type HttpClient, readBody } from './http.ts';
import { delayBefore, isTransient, type Retry, retrying, Transient } from './retry.ts';
import { Authorizer } from './token.ts';

export interface RegistryOptions extends Retry {
  /** Registry hosts that are spoken to without TLS; so are those on the loopback that have no certificate here. */
  insecure: readonly string[];
  /** PEM certificates of authorities to trust besides the system's, by registry host (`host:port`). */
  certificates: Readonly<Record<string, string>>;
}

/** The credentials given, or none, do not do. */
export class Denied extends ImageError {
  constructor(message: string) {
    super('ErrImagePull', message);
    this.name = 'Denied';
  }
}

const maximumRedirects = 5;

export class RegistryClient {
  readonly #http: HttpClient;
  readonly #options: RegistryOptions;
  readonly #reference: Reference;
  readonly #authorizer: Authorizer;
  readonly #base: URL;
  readonly #actions: string;

  constructor(
    http: HttpClient,
    options: RegistryOptions,
    reference: Reference,
    auth: RegistryAuth | undefined,
    actions: 'pull' | 'pull,push',
  ) {
    this.#http = http;
    this.#options = options;
    this.#reference = reference;
    this.#authorizer = new Authorizer(http, options.clock, auth);
    this.#base = new URL(
      `${schemeOf(reference.registry, options)}://${hostOf(reference.registry)}/v2/${reference.repository}/`,
    );
    this.#actions = actions;
  }

  get name(): string {
    return repositoryName(this.#reference);
  }

  /** A manifest by tag or digest, with the digest of exactly the bytes that came. */
  async manifest(which: string): Promise<{ descriptor: Descriptor; bytes: Buffer }> {
    return await this.manifestWith(which, undefined);
  }

  async manifestWith(
    which: string,
    signal: AbortSignal | undefined,
  ): Promise<{ descriptor: Descriptor; bytes: Buffer }> {
    const what = `manifest ${which} of ${this.name}`;
    return await retrying(this.#options, signal, async () => {
      const answer = await this.#send(what, {
        method: 'GET',
        url: this.#at('manifests', which),
        headers: { accept: manifestTypes.join(', ') },
        signal,
      });
      const bytes = await this.#whole(answer, limits.manifest, what);
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (which.startsWith('sha256:') && digest !== which)
        throw new ImageError(
          'ErrImagePull',
          `${what} does not match its digest: expected ${which}, got ${digest}; nothing of it was kept`,
        );
      const mediaType = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
      return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    });
  }

  /** A blob's bytes. When the connection breaks it goes on from where it was, by a range request. Not verified here. */
  async *blob(descriptor: Descriptor, signal?: AbortSignal): AsyncGenerator<Buffer> {
    let at = 0;
    for (let failures = 0; ; ) {
      try {
        for await (const chunk of this.#blobFrom(descriptor, at, signal)) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (at < descriptor.size)
          throw new Transient(
            `blob ${descriptor.digest} of ${this.name} ended after ${at} of ${descriptor.size} bytes`,
          );
        return;
      } catch (error) {
        signal?.throwIfAborted();
        failures += 1;
        if (!isTransient(error) || failures >= this.#options.attempts) throw error;
        await this.#options.clock.sleep(delayBefore(failures, error, this.#options), signal);
      }
    }
  }

  async *#blobFrom(descriptor: Descriptor, at: number, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const what = `blob ${descriptor.digest} of ${this.name}`;
    const headers: Record<string, string> = at > 0 ? { range: `bytes=${at}-` } : {};
    const answer = await this.#send(what, {
      method: 'GET',
      url: this.#at('blobs', descriptor.digest),
      headers,
      signal,
    });
    let skip = answer.status === 206 ? 0 : at;
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        if (rest.length > 0) yield rest;
      }
    } catch (error) {
      throw signal?.aborted
        ? error
        : new Transient(`${what}: the connection broke: ${(error as Error).message}`, undefined, error);
    } finally {
      answer.body.destroy();
    }
  }

  async hasBlob(digest: string, signal?: AbortSignal): Promise<boolean> {
    return await this.#has(`blob ${digest} of ${this.name}`, this.#at('blobs', digest), signal);
  }

  async #has(what: string, url: URL, signal?: AbortSignal): Promise<boolean> {
    return await retrying(this.#options, signal, async () => {
      const answer = await this.#send(
        what,
        { method: 'HEAD', url, headers: { accept: manifestTypes.join(', ') }, signal },
        [404],
      );
      answer.body.resume();
      return answer.status === 200;
    });
  }

  /** Sends a blob that is not there, or takes it over from another repository of the same registry. `open` makes its bytes anew for each try. */
  async pushBlob(
    descriptor: Descriptor,
    open: () => Readable,
    from: string | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const what = `blob ${descriptor.digest} to ${this.name}`;
    await retrying(this.#options, signal, async () => {
      const begin = this.#at('blobs', 'uploads/');
      if (from) begin.search = new URLSearchParams({ mount: descriptor.digest, from }).toString();
      const begun = await this.#send(what, { method: 'POST', url: begin, signal });
      begun.body.resume();
      if (begun.status === 201) return;
      const target = this.#location(begun, what);
      target.searchParams.set('digest', descriptor.digest);
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) };
      const body = open();
      try {
        (await this.#send(what, { method: 'PUT', url: target, headers, body, signal })).body.resume();
      } finally {
        body.destroy();
      }
    });
  }

  async pushManifest(which: string, mediaType: string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    const what = `manifest ${which} to ${this.name}`;
    await retrying(this.#options, signal, async () => {
      const url = this.#at('manifests', which);
      (
        await this.#send(what, { method: 'PUT', url, headers: { 'content-type': mediaType }, body: bytes, signal })
      ).body.resume();
    });
  }

  #location(answer: Answer, what: string): URL {
    const location = answer.headers.location ?? '';
    if (location === '' || !URL.canParse(location, answer.url.href))
      throw new ImageError('ErrImagePull', `${what}: the registry does not say where to send it`);
    return new URL(location, answer.url);
  }

  #at(kind: 'manifests' | 'blobs', which: string): URL {
    return new URL(`${kind}/${which}`, this.#base);
  }

  async #whole(answer: Answer, limit: number, what: string): Promise<Buffer> {
    try {
      return await readBody(answer, limit, what);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw new Transient(`${what}: the connection broke: ${(error as Error).message}`, undefined, error);
    }
  }

  /** One request with credentials, redirects followed. Resolves with a success, or with a status among `also`. */
  async #send(what: string, exchange: Exchange, also: readonly number[] = []): Promise<Answer> {
    const scope = `repository:${this.#reference.repository}:${this.#actions}`;
    let answer = await this.#follow(exchange, this.#authorizer.known(scope));
    if (answer.status === 401 && !(exchange.body && !(exchange.body instanceof Uint8Array))) {
      answer.body.resume();
      const authorization = await this.#authorizer.answer(answer, scope, exchange.signal);
      if (authorization) answer = await this.#follow(exchange, authorization);
    }
    if ((answer.status >= 200 && answer.status < 300) || also.includes(answer.status)) return answer;
    throw await this.#failure(what, answer);
  }

  /** Storage behind a registry is another host and must not see the registry's credentials. */
  async #follow(exchange: Exchange, authorization: string | undefined): Promise<Answer> {
    let url = exchange.url;
    for (let count = 0; ; count += 1) {
      const ours = url.origin === this.#base.origin;
      const headers = { ...exchange.headers, ...(ours && authorization && { authorization }) };
      const answer = await this.#http.send({ ...exchange, url, headers });
      if (![301, 302, 303, 307, 308].includes(answer.status) || exchange.method === 'PUT' || exchange.method === 'POST')
        return answer;
      answer.body.resume();
      if (count >= maximumRedirects)
        throw new ImageError('ErrImagePull', `${this.#base.host} redirects more than ${maximumRedirects} times`);
      const next = this.#location(answer, this.name);
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw new ImageError(
          'ErrImagePull',
          `${url.host} redirects to ${next.protocol}//${next.host}, which is not https`,
        );
      url = next;
    }
  }

  async #failure(what: string, answer: Answer): Promise<Error> {
    const body = await readBody(answer, 64 << 10, what).catch(() => Buffer.alloc(0));
    const told = `${this.#base.host} answered ${answer.status}${explanation(body)} for ${what}`;
    if (answer.status === 429 || answer.status >= 500)
      return new Transient(told, retryAfter(answer, this.#options.clock.now()));
    if (answer.status === 401 || answer.status === 403)
      return new Denied(`${told}: the image does not exist, or its registry wants other credentials (a pull secret)`);
    if (answer.status === 404) return new ImageError('ErrImagePull', `${told}: there is no such image`);
    return new ImageError('ErrImagePull', told);
  }
}

function retryAfter(answer: Answer, now: number): number | undefined {
  const told = answer.headers['retry-after'];
  if (told === undefined) return undefined;
  const wait = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

/** The registry's own error codes and messages, in brackets. */
function explanation(body: Buffer): string {
  try {
    const { errors } = JSON.parse(body.toString('utf8')) as { errors?: { code?: string; message?: string }[] };
    const told = (errors ?? []).map((each) => [each.code, each.message].filter(Boolean).join(': ')).join('; ');
    return told === '' ? '' : ` (${told.slice(0, 500)})`;
  } catch {
    return '';
  }
}

function hostOf(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry;
}

function schemeOf(registry: string, { insecure, certificates }: RegistryOptions): 'http' | 'https' {
  if (certificates[registry]) return 'https';
  const host = registry.replace(/:\d+$/, '');
  const loopback =
    host === 'localhost' || host.endsWith('.localhost') || /^127\.\d+\.\d+\.\d+$/.test(host) || host === '[::1]';
  return loopback || insecure.includes(registry) ? 'http' : 'https';
}
