/** One exchange from its first byte to its last: through the chain, to what answers, errors written down on the way. */
import type { Duplex } from 'node:stream';
import { type Clock, isObject, type Random, StatusError } from '../machinery/index.ts';
import { StoreClosedError, StoreFullError, StoreTooLargeError, StoreUnavailableError } from '../store/index.ts';
import type { Aggregation } from './aggregation/index.ts';
import { AuditedExchange } from './audit/exchange.ts';
import type { Audit } from './audit/index.ts';
import { bodyLimit, parseBody, patchTypeOf } from './body.ts';
import { type ChainOptions, header, pass, require } from './chain.ts';
import type { Exchange } from './exchange.ts';
import { type Fairness, type Place as Seat, TooManyRequests } from './fairness/index.ts';
import type { Metrics } from './metrics.ts';
import { conversations, type NodeProxy } from './nodeproxy.ts';
import type { Paths } from './paths.ts';
import { formsOf, json, representationOf } from './publish/negotiate.ts';
import type { IncludeObject } from './publish/table.ts';
import type { ResourceCall } from './registry/index.ts';
import { duplicatesIn } from './text.ts';
import { Proxy } from './proxy/index.ts';
import { optionsFromQuery, type RequestInfo, type RequestOptions, type User } from './request.ts';
import { answerReply, listOf, listReply, replyOf, send, statusReply } from './respond.ts';
import { admittedToConnect } from './subresources/admitted.ts';
import { callOf, perform, type VerbContext } from './verbs.ts';
import { serveWatch } from './watch.ts';

export interface Serving {
  readonly chain: ChainOptions;
  readonly verbs: VerbContext;
  readonly paths: Paths;
  readonly aggregation: Aggregation;
  readonly nodes: NodeProxy | undefined;
  readonly proxy: Proxy;
  readonly fairness: Fairness;
  readonly metrics: Metrics;
  /** Absent: nothing is recorded. */
  readonly audit: Audit | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of every failure that is ours; `id` is in the answer, too. */
  failed(error: unknown, id: string): void;
}

export async function serve(serving: Serving, asked: Exchange): Promise<void> {
  const audited = serving.audit && new AuditedExchange(serving.audit, asked);
  const exchange = audited ?? asked;
  const started = serving.clock.monotonic();
  const warnings: string[] = [];
  let info: RequestInfo | undefined;
  let code = 200;
  const place = new Place(serving, exchange);
  try {
    const passed = await pass(exchange, serving.chain, audited, (user, asked) => place.take(user, asked));
    info = passed.info;
    const elsewhere = serving.aggregation.find(exchange.path);
    if (elsewhere !== undefined) code = await serving.aggregation.serve(elsewhere, exchange, passed.user);
    else if (info.isResource) code = await resource(serving, exchange, info, passed.user, warnings);
    else code = await serving.paths.serve(exchange);
  } catch (error) {
    const told = toStatus(serving, error);
    code = told.code;
    if (told instanceof TooManyRequests) exchange.reply(code, told.headers, Buffer.from(`${told.message}\n`));
    else send(exchange, statusReply(told), warnings);
  } finally {
    place.leave();
  }
  if (info?.verb === 'watch' && code === 200) return;
  const seconds = (serving.clock.monotonic() - started) / 1000;
  serving.metrics.request(
    info?.verb ?? exchange.method,
    info?.group ?? '',
    info?.version ?? '',
    info?.resource ?? '',
    code,
    seconds,
  );
}

/** What a request holds while it is served. */
class Place {
  readonly #serving: Serving;
  readonly #exchange: Exchange;
  #taken: Seat | undefined;

  constructor(serving: Serving, exchange: Exchange) {
    this.#serving = serving;
    this.#exchange = exchange;
  }

  take(user: User, info: RequestInfo): Promise<void> | undefined {
    const exchange = this.#exchange;
    const asked = { user, info, query: () => exchange.query, signal: () => exchange.signal };
    const seat = this.#serving.fairness.admit(asked, (headers) => {
      exchange.standing = headers;
    });
    if (seat instanceof Promise)
      return seat.then((granted) => {
        this.#taken = granted;
        if (info.verb === 'watch') this.#watch(info);
      });
    this.#taken = seat;
    if (info.verb === 'watch') this.#watch(info);
    return undefined;
  }

  #watch(info: RequestInfo): void {
    const forget = this.#serving.fairness.watchers.register(info);
    this.#exchange.signal.addEventListener('abort', forget, { once: true });
  }

  leave(): void {
    this.#taken?.over();
  }
}

async function resource(
  serving: Serving,
  exchange: Exchange,
  info: RequestInfo,
  user: User,
  warnings: string[],
): Promise<number> {
  const { registry } = serving.verbs;
  const call = await readCall(serving, exchange, info, user, warnings);
  if (conversations.has(call.subresource) && call.served.kind.kind === 'Pod') {
    await admittedToConnect(registry, call, exchange.query);
    await nodesOf(serving).serve(call, exchange);
    return 200;
  }
  if (Proxy.isFor(call)) return serving.proxy.serve(call, info.rest, exchange);
  const as = representationOf(header(exchange.headers, 'accept'), formsOf(call.served));
  const include = includeOf(exchange.query.get('includeObject'));
  if (call.verb === 'watch') {
    serving.metrics.longRunning(info.resource, 'watch', 1);
    exchange.signal.addEventListener('abort', () => serving.metrics.longRunning(info.resource, 'watch', -1), {
      once: true,
    });
    await serveWatch({ registry, clock: serving.clock, random: serving.random }, call, exchange, as, include);
    return 200;
  }
  const result = await perform(serving.verbs, call);
  const now = serving.clock.now();
  const reply =
    'answer' in result
      ? answerReply(call, result.answer, as, now, include)
      : 'list' in result
        ? await listReply(call, result.list, as, now, include)
        : replyOf(200, listOf(call, result.removed, { resourceVersion: String(registry.caches.revision) }), json);
  send(exchange, reply, warnings);
  return reply.code;
}

async function readCall(
  serving: Serving,
  exchange: Exchange,
  info: RequestInfo,
  user: User,
  warnings: string[],
): Promise<ResourceCall> {
  // its method, body and query are the target's
  if (info.subresource === 'proxy' && info.group === '')
    return callOf(serving.verbs.registry.resources, { info, user, options: {}, userAgent: '', warn: () => {} });
  const contentType = header(exchange.headers, 'content-type');
  const { method } = exchange;
  const isPatch = method === 'PATCH';
  const patchType = isPatch ? patchTypeOf(contentType) : undefined;
  const hasBody = isPatch || method === 'POST' || method === 'PUT' || method === 'DELETE';
  const bytes = hasBody && !conversations.has(info.subresource) ? await exchange.body(bodyLimit) : undefined;
  const body = bytes && parseBody(bytes, contentType, isPatch);
  if (isPatch && body === undefined) throw StatusError.badRequest('a patch needs a body');
  const options = optionsFromQuery(exchange.query);
  if (method === 'DELETE' && isObject(body)) takeDeleteOptions(options, body);
  const writes =
    bytes !== undefined && method !== 'DELETE' && options.fieldValidation !== 'Ignore' && bytes[0] === 0x7b;
  return callOf(serving.verbs.registry.resources, {
    info,
    user,
    options,
    body,
    ...(writes && { duplicates: duplicatesIn(bytes.toString(), body) }),
    patchType,
    userAgent: header(exchange.headers, 'user-agent') ?? '',
    signal: exchange.signal,
    annotate: exchange.annotate,
    warn: (message) => {
      if (warnings.length < 100) warnings.push(message);
    },
  });
}

/** A DeleteOptions in the body of a DELETE. */
export function takeDeleteOptions(options: RequestOptions, body: Record<string, any>): void {
  if (body.kind !== undefined && body.kind !== 'DeleteOptions')
    throw StatusError.badRequest(`the body of a DELETE must be DeleteOptions, not ${JSON.stringify(body.kind)}`);
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun, orphanDependents } = body;
  if (gracePeriodSeconds !== undefined && gracePeriodSeconds !== null) {
    if (!Number.isSafeInteger(gracePeriodSeconds))
      throw StatusError.badRequest('gracePeriodSeconds must be an integer');
    options.gracePeriodSeconds = gracePeriodSeconds;
  }
  if (propagationPolicy) {
    if (typeof propagationPolicy !== 'string') throw StatusError.badRequest('propagationPolicy must be a string');
    options.propagationPolicy = propagationPolicy;
  }
  if (typeof orphanDependents === 'boolean') options.orphanDependents = orphanDependents;
  if (isObject(preconditions)) options.preconditions = preconditions;
  if (Array.isArray(dryRun) && dryRun.length > 0) {
    if (dryRun.some((one) => one !== 'All')) throw StatusError.badRequest('dryRun: the one supported value is "All"');
    options.dryRun = true;
  }
}

function includeOf(value: string | null): IncludeObject {
  if (value === null || value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw StatusError.badRequest(`includeObject: ${JSON.stringify(value)} is not one of "None", "Metadata", "Object"`);
}

const acts = new Set(['exec', 'attach', 'portforward']);

export async function serveUpgrade(serving: Serving, exchange: Exchange, socket: Duplex, head: Buffer): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const asked = {
      ...lifted(exchange),
      method: exchange.method,
      path: exchange.path,
      query: exchange.query,
      subject: exchange.subject,
    };
    const { user, info } = await pass(asked, serving.chain);
    if (info.subresource !== 'proxy' && (!conversations.has(info.subresource) || info.resource !== 'pods'))
      throw StatusError.badRequest(`${exchange.path} is not something that a connection can be upgraded for`);
    // a WebSocket begins with a GET, and yet it acts
    if (acts.has(info.subresource)) require(serving.chain, user, { ...info, verb: 'create' });
    const options = {};
    const call = callOf(serving.verbs.registry.resources, { info, user, options, userAgent: '', warn: () => {} });
    await admittedToConnect(serving.verbs.registry, call, exchange.query);
    if (Proxy.isFor(call)) await serving.proxy.upgrade(call, info.rest, exchange, socket, head);
    else if (call.subresource === 'log') await nodesOf(serving).log(call, exchange, socket);
    else await nodesOf(serving).upgrade(call, exchange, socket, head);
  } catch (error) {
    const { body, code } = statusReply(toStatus(serving, error));
    const bytes = body as Buffer;
    socket.end(
      `HTTP/1.1 ${code} Refused\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n${bytes}`,
    );
  }
}

/** A browser cannot set headers on a WebSocket: its token comes as a subprotocol. */
function lifted(exchange: Exchange): Pick<Exchange, 'headers'> {
  const offered = header(exchange.headers, 'sec-websocket-protocol');
  const token = /base64url\.bearer\.authorization\.k8s\.io\.([^,\s]+)/.exec(offered ?? '')?.[1];
  if (token === undefined || exchange.headers.authorization !== undefined) return { headers: exchange.headers };
  return { headers: { ...exchange.headers, authorization: `Bearer ${Buffer.from(token, 'base64url').toString()}` } };
}

function nodesOf(serving: Serving): NodeProxy {
  if (serving.nodes === undefined)
    throw StatusError.serviceUnavailable('this API server was started without a way to reach nodes');
  return serving.nodes;
}

export function toStatus(serving: Pick<Serving, 'random' | 'failed'>, error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof StoreFullError)
    return new StatusError('InternalError', `${error.message}: free some space; what is stored is safe`, undefined, {
      code: 507,
    });
  if (error instanceof StoreClosedError) return StatusError.serviceUnavailable('the server is shutting down');
  if (error instanceof StoreTooLargeError) return StatusError.tooLarge(error.message);
  if (error instanceof StoreUnavailableError)
    return new StatusError('Timeout', `${error.message}; whether what was asked has happened is not known`, {
      retryAfterSeconds: 1,
    });
  const id = serving.random.uuid();
  serving.failed(error, id);
  return StatusError.internal(`this is a fault of the server; its log has it under ${id}`);
}
