/** One exchange from its first byte to its last: through the chain, to what answers, errors written down on the way. */
import type { Duplex } from 'node:stream';
import { type Clock, isObject, type Random, StatusError } from '../machinery/index.ts';
import { StoreClosedError, StoreFullError, StoreTooLargeError, StoreUnavailableError } from '../store/index.ts';
import type { Aggregation } from './aggregation/index.ts';
import { AuditedExchange } from './audit/exchange.ts';
import type { Audit } from './audit/index.ts';
import { bodyLimit, parseBody, patchTypeOf } from './body.ts';
import { type ChainOptions, header, pass, type Passed, require } from './chain.ts';
import { UnreadableJson } from './text.ts';
import type { Exchange } from './exchange.ts';
import { type Fairness, TooManyRequests } from './fairness/index.ts';
import { type Metrics, plain } from './metrics.ts';
import { conversations, type NodeProxy, type Upgrade } from './nodeproxy.ts';
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
import { Visit } from './visit.ts';
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
  asked.auditId = auditIdOf(asked.headers, serving.random);
  const audited = serving.audit && new AuditedExchange(serving.audit, asked);
  const exchange = audited ?? asked;
  const warnings: string[] = [];
  let code = 200;
  const visit = new Visit(serving, exchange);
  try {
    const admit = (user: User, info: RequestInfo) => visit.take(user, info);
    const { user, info } = await pass(exchange, serving.chain, audited, admit, () => exchange.took);
    const elsewhere = serving.aggregation.find(exchange.path);
    if (elsewhere !== undefined) code = await serving.aggregation.serve(elsewhere, exchange, user);
    else if (info.isResource) code = await resource(serving, exchange, info, user, visit, warnings);
    else code = await serving.paths.serve(exchange);
  } catch (error) {
    const told = toStatus(serving, error, exchange.auditId);
    code = told.code;
    if (told instanceof TooManyRequests) visit.turnedAway(code);
    if (told instanceof TooManyRequests) exchange.reply(code, told.headers, Buffer.from(`${told.message}\n`));
    else send(exchange, statusReply(told), warnings);
  } finally {
    visit.over(code);
  }
}

async function resource(
  serving: Serving,
  exchange: Exchange,
  info: RequestInfo,
  user: User,
  visit: Visit,
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
    const { clock, random, metrics } = serving;
    await serveWatch({ registry, clock, random, counts: metrics.watch(info) }, call, exchange, as, include);
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
  visit.bytes = reply.body.length;
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
  const { resources } = serving.verbs.registry;
  // its method, body and query are the target's
  if (info.subresource === 'proxy' && info.group === '')
    return callOf(resources, { info, user, options: {}, userAgent: '', warn: () => {} });
  const contentType = header(exchange.headers, 'content-type');
  const { method } = exchange;
  const isPatch = method === 'PATCH';
  const patchType = isPatch ? patchTypeOf(contentType) : undefined;
  const hasBody = isPatch || method === 'POST' || method === 'PUT' || method === 'DELETE';
  const read = (bytes: Buffer) => {
    try {
      return parseBody(bytes, contentType, isPatch);
    } catch (error) {
      const served = resources.find(info.group, info.version, info.resource);
      if (!(error instanceof UnreadableJson) || isPatch || served === undefined) throw error;
      const what = served.kind.subresources[info.subresource]?.kind.kind ?? served.kind.kind;
      throw StatusError.badRequest(
        `the object provided is unrecognized (must be of type ${what}): couldn't get version/kind; json parse error: ${error.problem}`,
      );
    }
  };
  const bytes = hasBody && !conversations.has(info.subresource) ? await exchange.body(bodyLimit) : undefined;
  const body = bytes && read(bytes);
  if (isPatch && body === undefined) throw StatusError.badRequest('a patch needs a body');
  const options = optionsFromQuery(exchange.query);
  if (method === 'DELETE' && isObject(body)) takeDeleteOptions(options, body);
  const writes =
    bytes !== undefined && method !== 'DELETE' && options.fieldValidation !== 'Ignore' && bytes[0] === 0x7b;
  return callOf(resources, {
    info,
    user,
    options,
    body,
    ...(writes && { duplicates: duplicatesIn(bytes.toString(), body) }),
    patchType,
    userAgent: header(exchange.headers, 'user-agent') ?? '',
    signal: exchange.signal,
    annotate: exchange.annotate,
    took: exchange.took,
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

export async function serveUpgrade(serving: Serving, asked: Exchange, socket: Duplex, head: Buffer): Promise<void> {
  socket.on('error', () => socket.destroy());
  asked.auditId = auditIdOf(asked.headers, serving.random);
  const audited = serving.audit && new AuditedExchange(serving.audit, asked);
  const exchange = audited ?? asked;
  const { metrics, clock } = serving;
  const started = clock.monotonic();
  let info: RequestInfo | undefined;
  const count = (code: number) => {
    if (info !== undefined) metrics.request(info, plain, code, (clock.monotonic() - started) / 1000, -1);
  };
  try {
    const { method, path, query, subject } = exchange;
    const lifting = { ...lifted(exchange), method, path, query, subject };
    const passed = await pass(lifting, serving.chain, audited, undefined, () => exchange.took);
    info = passed.info;
    const elsewhere = serving.aggregation.find(path);
    const begin =
      elsewhere === undefined
        ? await ownUpgrade(serving, exchange, passed)
        : (upgrade: Upgrade) => serving.aggregation.upgrade(elsewhere, exchange, passed.user, upgrade);
    const closed = metrics.longRunning(info);
    let code = 0;
    const leave = () => {
      closed();
      if (code > 0) count(code);
    };
    const answered = (given: number) => {
      code = given;
      audited?.longRunning(given);
    };
    if (socket.destroyed) leave();
    else socket.once('close', leave);
    await begin({ socket, head, answered });
  } catch (error) {
    const told = toStatus(serving, error, exchange.auditId);
    const { body, code } = statusReply(told);
    count(code);
    audited?.refused(code, told.toStatus());
    const bytes = body as Buffer;
    const headers = `Content-Type: application/json\r\nContent-Length: ${bytes.length}\r\nAudit-Id: ${exchange.auditId}`;
    socket.end(`HTTP/1.1 ${code} Refused\r\n${headers}\r\nConnection: close\r\n\r\n${bytes}`);
  }
}

/** What a connection can be upgraded for here: conversations with pods, and proxies. */
async function ownUpgrade(
  serving: Serving,
  exchange: Exchange,
  { user, info }: Passed,
): Promise<(upgrade: Upgrade) => Promise<void>> {
  if (info.subresource !== 'proxy' && (!conversations.has(info.subresource) || info.resource !== 'pods'))
    throw StatusError.badRequest(`${exchange.path} is not something that a connection can be upgraded for`);
  // a WebSocket begins with a GET, and yet it acts
  if (acts.has(info.subresource)) await require(serving.chain, user, { ...info, verb: 'create' });
  const { annotate, took } = exchange;
  const userAgent = header(exchange.headers, 'user-agent') ?? '';
  const more = { options: {}, userAgent, warn: () => {}, annotate, took };
  const call = callOf(serving.verbs.registry.resources, { info, user, ...more });
  await admittedToConnect(serving.verbs.registry, call, exchange.query);
  if (Proxy.isFor(call)) return (upgrade) => serving.proxy.upgrade(call, info.rest, exchange, upgrade);
  const nodes = nodesOf(serving);
  if (call.subresource !== 'log') return (upgrade) => nodes.upgrade(call, exchange, upgrade);
  return async ({ socket, answered }) => {
    await nodes.log(call, exchange, socket);
    answered(101);
  };
}

const longestId = 64;

/** As the client names the request, or drawn. */
function auditIdOf(headers: Exchange['headers'], random: Random): string {
  const given = headers['audit-id'];
  const isName = typeof given === 'string' && given.length <= longestId && /^[\x21-\x7e]+$/.test(given);
  return isName ? given : random.uuid();
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

/** `id`: of the request, where it has one. */
export function toStatus(
  serving: Pick<Serving, 'random' | 'failed'>,
  error: unknown,
  id: string = serving.random.uuid(),
): StatusError {
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
  serving.failed(error, id);
  return StatusError.internal(`this is a fault of the server; its log has it under ${id}`);
}
