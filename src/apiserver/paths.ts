/** Everything that is no resource: health, version, discovery, OpenAPI, metrics, keys. */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { type MetricSet, StatusError } from '../machinery/index.ts';
import { header } from './chain.ts';
import type { Exchange } from './exchange.ts';
import { aggregated, coreVersions, group, groupList, resourceList } from './publish/discovery.ts';
import type { Document, OpenApi } from './publish/openapi.ts';
import type { Resources } from './resources.ts';
import { replyOf, send } from './respond.ts';
import type { ServiceAccountTokens } from './authn/index.ts';

export interface HealthCheck {
  readonly name: string;
  /** Undefined: well. Otherwise what is wrong. */
  check(): string | undefined;
}

export interface PathsOptions {
  readonly resources: Resources;
  readonly openapi: OpenApi;
  readonly metrics: MetricSet;
  readonly tokens: ServiceAccountTokens;
  readonly version: Record<string, string>;
  /** `host:port` that clients reach the server under. */
  address(): string;
  readonly checks: readonly HealthCheck[];
  /** A page of /debug/api_priority_and_fairness/; undefined: there is none. */
  debug(page: string, query: URLSearchParams): string | undefined;
  /** When a revision became durable, in milliseconds since the epoch; undefined: not known any more. */
  timeOf(revision: number): number | undefined;
}

const text = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' };

const timesLimit = 1000;
const fairnessPages = '/debug/api_priority_and_fairness/';

const openapiProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
/** With the older name, which clients still ask for. */
const openapiProtobuf = /^application\/com\.github\.proto-openapi\.spec\.v2[.@]v1\.0\+protobuf(;|$)/;

function acceptsJson(accept: string): boolean {
  return accept === '' || accept.split(',').some((part) => /\*\/\*|application\/(\*|json)/.test(part));
}

export class Paths {
  readonly #options: PathsOptions;

  constructor(options: PathsOptions) {
    this.#options = options;
  }

  /** Answers and returns the code. */
  serve(exchange: Exchange): number | Promise<number> {
    const { path, method } = exchange;
    if (method !== 'GET' && method !== 'HEAD')
      throw new StatusError('MethodNotAllowed', `${method} is not supported on ${path.slice(0, 200)}`);
    const health = /^\/(healthz|livez|readyz)(?:\/(.+))?$/.exec(path);
    if (health) return this.#health(exchange, health[1]!, health[2]);
    if (path === '/metrics') return this.#metrics(exchange);
    if (path.startsWith(fairnessPages)) {
      const page = this.#options.debug(path.slice(fairnessPages.length), exchange.query);
      if (page === undefined) throw StatusError.noSuchPath();
      return this.#bytes(exchange, Buffer.from(page), text['Content-Type']);
    }
    if (path === '/debug/revisions') {
      send(exchange, replyOf(200, { times: this.#times(exchange.query.getAll('revision')) }), []);
      return 200;
    }
    if (path === '/openapi/v2') return this.#openapi2(exchange);
    if (path.startsWith('/openapi/v3/')) return this.#openapi(exchange, path.slice('/openapi/v3/'.length));
    if ((path === '/api' || path === '/apis') && wantsAggregated(exchange))
      return this.#aggregated(exchange, path === '/api');
    const value = this.#value(path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);
    if (value === undefined) throw StatusError.noSuchPath();
    send(exchange, replyOf(200, value), []);
    return 200;
  }

  #value(path: string): unknown {
    const { resources, openapi, version, tokens, address } = this.#options;
    switch (path) {
      case '/':
        return {
          paths: [
            '/api',
            '/api/v1',
            '/apis',
            '/healthz',
            '/livez',
            '/metrics',
            '/openapi/v2',
            '/openapi/v3',
            '/readyz',
            '/version',
          ],
        };
      case '/version':
        return version;
      case '/api':
        return coreVersions(address());
      case '/apis':
        return groupList(resources);
      case '/openapi/v3':
        return openapi.index();
      case '/.well-known/openid-configuration':
        return {
          issuer: tokens.issuer,
          jwks_uri: `${tokens.issuer}/openid/v1/jwks`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['ES256'],
        };
      case '/openid/v1/jwks':
        return { keys: [tokens.jwk()] };
      default: {
        const parts = path.split('/');
        if (parts[1] === 'api' && parts.length === 3) return resourceList(resources, '', parts[2]!);
        if (parts[1] === 'apis' && parts.length === 3) return group(resources, parts[2]!);
        if (parts[1] === 'apis' && parts.length === 4) return resourceList(resources, parts[2]!, parts[3]!);
        return undefined;
      }
    }
  }

  /** By revision, for those that are still known. */
  #times(revisions: readonly string[]): Record<string, string> {
    if (revisions.length > timesLimit)
      throw StatusError.badRequest(`revision: ${revisions.length} values, at most ${timesLimit} are answered at once`);
    const times: Record<string, string> = {};
    for (const revision of revisions) {
      if (!/^\d{1,15}$/.test(revision))
        throw StatusError.badRequest(`revision: ${JSON.stringify(revision.slice(0, 40))} is not a resource version`);
      const time = this.#options.timeOf(Number(revision));
      if (time !== undefined) times[revision] = new Date(time).toISOString();
    }
    return times;
  }

  #aggregated(exchange: Exchange, core: boolean): number {
    const body = Buffer.from(JSON.stringify(aggregated(this.#options.resources, core)));
    const etag = `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"`;
    const headers = {
      'Content-Type': 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
      ETag: etag,
      Vary: 'Accept',
    };
    const known = header(exchange.headers, 'if-none-match') === etag;
    exchange.reply(known ? 304 : 200, headers, known ? Buffer.alloc(0) : body);
    return known ? 304 : 200;
  }

  #openapi(exchange: Exchange, path: string): Promise<number> {
    const document = this.#options.openapi.v3(path);
    if (document === undefined) throw StatusError.noSuchPath();
    return this.#document(exchange, document, 'application/json');
  }

  /** Go clients ask for protobuf only. */
  #openapi2(exchange: Exchange): Promise<number> {
    const { openapi } = this.#options;
    const accept = header(exchange.headers, 'accept') ?? '';
    return !acceptsJson(accept) && accept.split(',').some((part) => openapiProtobuf.test(part.trim()))
      ? this.#document(exchange, openapi.v2('protobuf'), openapiProtobufType)
      : this.#document(exchange, openapi.v2('json'), 'application/json');
  }

  async #document(exchange: Exchange, document: Document, type: string): Promise<number> {
    if (type === 'application/json' && !acceptsJson(header(exchange.headers, 'accept') ?? ''))
      throw StatusError.notAcceptable('only the following media types are accepted: application/json');
    const etag = `"${document.tag}"`;
    if (header(exchange.headers, 'if-none-match') === etag) {
      exchange.reply(304, { ETag: etag }, Buffer.alloc(0));
      return 304;
    }
    exchange.reply(200, { 'Content-Type': type, ETag: etag, Vary: 'Accept' }, await document.body);
    return 200;
  }

  async #metrics(exchange: Exchange): Promise<number> {
    const pieces: Buffer[] = [];
    for (const piece of this.#options.metrics.pieces()) {
      pieces.push(Buffer.from(piece));
      await turn();
    }
    return this.#bytes(exchange, Buffer.concat(pieces), 'text/plain; version=0.0.4; charset=utf-8');
  }

  #bytes(exchange: Exchange, body: Buffer, type: string): number {
    exchange.reply(200, { 'Content-Type': type }, body);
    return 200;
  }

  #health(exchange: Exchange, kind: string, only: string | undefined): number {
    const checks = this.#options.checks.filter(({ name }) => only === undefined || name === only);
    if (only !== undefined && checks.length === 0) throw StatusError.noSuchPath();
    const excluded = new Set(exchange.query.getAll('exclude'));
    const results = checks
      .filter(({ name }) => !excluded.has(name))
      .map(({ name, check }) => ({ name, problem: check() }));
    const bad = results.filter(({ problem }) => problem !== undefined);
    const lines = results.map(({ name, problem }) =>
      problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`,
    );
    const code = bad.length > 0 ? 500 : 200;
    const verbose = exchange.query.has('verbose') || code !== 200;
    const last = code === 200 ? `${kind} check passed` : `${kind} check failed`;
    exchange.reply(code, text, Buffer.from(verbose ? `${[...lines, last].join('\n')}\n` : 'ok'));
    return code;
  }
}

function wantsAggregated(exchange: Exchange): boolean {
  const accept = header(exchange.headers, 'accept') ?? '';
  return accept
    .split(',')
    .some(
      (part) =>
        part.includes('as=APIGroupDiscoveryList') &&
        part.includes('v=v2') &&
        !part.includes('v=v2beta1') &&
        !part.includes('protobuf'),
    );
}
