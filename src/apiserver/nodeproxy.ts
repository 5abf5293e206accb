/**
 * Conversations with a pod's node: logs, exec, attach, port-forward. The request is checked here and then handed, as it came, to the node
 * agent at the address and port that its Node object gives; upgraded connections are joined end to end.
 */
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { type AnyObject, type Clock, StatusError } from '../machinery/index.ts';
import type { Exchange } from './exchange.ts';
import { lookup } from './admission/lookup.ts';
import { sendLog } from './logsocket.ts';
import { entryOf, type Registry, type ResourceCall } from './registry/index.ts';
import { replyOf, send } from './respond.ts';

export interface NodeCredentials {
  /** PEM: how the API server shows itself to node agents, and whom it believes to be one. */
  certificate: string;
  key: string;
  authority: string;
}

const connectTimeout = 10_000;
const nodes = { group: '', version: 'v1', resource: 'nodes' };

interface Target {
  host: string;
  port: number;
  path: string;
}

export const conversations = new Set(['log', 'exec', 'attach', 'portforward']);

export class NodeProxy {
  readonly #registry: Registry;
  readonly #credentials: NodeCredentials;

  constructor(registry: Registry, credentials: NodeCredentials) {
    this.#registry = registry;
    this.#credentials = credentials;
  }

  /** Answers `log`, and exec and its like when they come without an upgrade. */
  async serve(call: ResourceCall, exchange: Exchange): Promise<void> {
    const target = await this.#target(call, exchange.query);
    const answer = await this.#ask(target, exchange);
    const headers = { 'Content-Type': answer.headers['content-type'] ?? 'text/plain' };
    if (answer.statusCode !== 200) return this.#refusal(answer, exchange);
    pour(this.#registry.clock, answer, exchange, 200, headers);
    exchange.signal.addEventListener('abort', () => answer.destroy(), { once: true });
  }

  #refusal(answer: IncomingMessage, exchange: Exchange): void {
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('end', () => {
      const error = refusalOf(answer, Buffer.concat(parts));
      send(exchange, replyOf(error.code, error.toStatus()), []);
    });
  }

  /** A log over a WebSocket: the node's agent is asked as ever, and the upgrade is ours. */
  async log(call: ResourceCall, exchange: Exchange, socket: Duplex): Promise<void> {
    const answer = await this.#ask(await this.#target(call, exchange.query), exchange);
    if (answer.statusCode === 200) return sendLog(answer, exchange, socket);
    const parts: Buffer[] = [];
    for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
    throw refusalOf(answer, Buffer.concat(parts));
  }

  #ask(target: Target, exchange: Exchange): Promise<IncomingMessage> {
    const { certificate, key, authority } = this.#credentials;
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        host: target.host,
        port: target.port,
        path: target.path,
        method: exchange.method === 'HEAD' ? 'GET' : exchange.method,
        cert: certificate,
        key,
        ca: authority,
        timeout: connectTimeout,
        checkServerIdentity: () => undefined,
      });
      request.on('response', (response) => {
        request.setTimeout(0);
        resolve(response);
      });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${connectTimeout / 1000} s`)));
      request.on('error', (error) => reject(unreachable(target, error)));
      exchange.signal.addEventListener('abort', () => request.destroy(), { once: true });
      request.end();
    });
  }

  /** Joins the client's connection to the node agent's. The upgrade itself is between those two. */
  async upgrade(call: ResourceCall, exchange: Exchange, { socket, head, answered }: Upgrade): Promise<void> {
    const target = await this.#target(call, exchange.query);
    const { certificate, key, authority } = this.#credentials;
    const upstream = connect({
      host: target.host,
      port: target.port,
      cert: certificate,
      key,
      ca: authority,
      ALPNProtocols: ['http/1.1'],
      checkServerIdentity: () => undefined,
    });
    const timer = this.#registry.clock.after(connectTimeout, () =>
      upstream.destroy(new Error('no answer from the node')),
    );
    await new Promise<void>((resolve, reject) => {
      upstream.once('secureConnect', resolve);
      upstream.once('error', (error) => reject(unreachable(target, error)));
      upstream.once('close', () => reject(unreachable(target, new Error('the connection was closed'))));
    }).finally(() => timer.cancel());
    upstream.write(upgradeRequest(exchange, target));
    if (head.length > 0) upstream.write(head);
    firstCode(upstream, answered);
    join(socket, upstream);
  }

  async #target(call: ResourceCall, query: URLSearchParams): Promise<Target> {
    const pod = (await entryOf(this.#registry, call)).object;
    const { nodeName } = pod.spec;
    if (!nodeName) throw StatusError.badRequest(`pod ${call.name} does not have a host assigned`);
    const node = await lookup(this.#registry, nodes, '', nodeName);
    if (node === undefined) throw StatusError.notFound(nodes, nodeName);
    const path = pathOf(call, pod, query);
    return { host: addressOf(node), port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250, path };
  }
}

export function addressOf(node: AnyObject): string {
  const addresses: { type: string; address: string }[] = node.status?.addresses ?? [];
  for (const type of ['InternalIP', 'ExternalIP', 'Hostname']) {
    const found = addresses.find((one) => one.type === type);
    if (found) return found.address;
  }
  throw StatusError.serviceUnavailable(`node ${node.metadata.name} has no address yet`);
}

const places: Record<string, string> = {
  __proto__: null as never,
  log: 'containerLogs',
  exec: 'exec',
  attach: 'attach',
  portforward: 'portForward',
};

function pathOf(call: ResourceCall, pod: AnyObject, query: URLSearchParams): string {
  const place = places[call.subresource]!;
  const rest = new URLSearchParams(query);
  if (call.subresource === 'portforward') return `/${place}/${call.namespace}/${call.name}?${rest}`;
  const container = containerOf(call, pod, rest.get('container') ?? '');
  rest.delete('container');
  return `/${place}/${call.namespace}/${call.name}/${container}?${rest}`;
}

/** The container that was named, or the pod's only or default one. */
function containerOf(call: ResourceCall, pod: AnyObject, asked: string): string {
  const names = (field: string): string[] => (pod.spec[field] ?? []).map((one: { name: string }) => one.name);
  const main = names('containers');
  const others = [...names('initContainers'), ...names('ephemeralContainers')];
  if (asked !== '') {
    if ([...main, ...others].includes(asked)) return asked;
    throw StatusError.badRequest(`container ${asked} is not valid for pod ${call.name}`);
  }
  if (main.length === 1) return main[0]!;
  const marked = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (marked !== undefined && main.includes(marked)) return marked;
  const inits = others.length > 0 ? ` or one of the init containers: [${others.join(' ')}]` : '';
  throw StatusError.badRequest(
    `a container name must be specified for pod ${call.name}, choose one of: [${main.join(' ')}]${inits}`,
  );
}

const hopHeaders = new Set(['host', 'authorization', 'cookie']);

function upgradeRequest(exchange: Exchange, target: Target): string {
  const lines = [`${exchange.method} ${target.path} HTTP/1.1`, `Host: ${target.host}:${target.port}`];
  for (const [name, value] of Object.entries(exchange.headers)) {
    if (hopHeaders.has(name) || name.startsWith('impersonate-')) continue;
    // a token may travel as a subprotocol: it is for us alone
    for (const one of [value ?? []].flat())
      lines.push(`${name}: ${one.replaceAll(/base64url\.bearer\.authorization\.k8s\.io\.[^,\s]+,?\s*/g, '')}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A connection that is to become something else. */
export interface Upgrade {
  readonly socket: Duplex;
  /** What came with the request already. */
  readonly head: Buffer;
  /** Told the code of the answer. */
  answered(code: number): void;
}

/** Reads the code of the answer as it passes by. */
export function firstCode(from: Duplex, tell: (code: number) => void): void {
  from.once('data', (bytes: Buffer) => {
    const code = /^HTTP\/1\.[01] (\d{3})/.exec(bytes.subarray(0, 16).toString('latin1'))?.[1];
    tell(code === undefined ? 502 : Number(code));
  });
}

export function join(a: Duplex, b: Duplex): void {
  a.pipe(b);
  b.pipe(a);
  const end = () => {
    a.destroy();
    b.destroy();
  };
  for (const side of [a, b]) {
    side.on('error', end);
    side.on('close', end);
  }
}

function refusalOf({ statusCode: code = 500 }: IncomingMessage, body: Buffer): StatusError {
  const reason = code === 404 ? 'NotFound' : code === 400 ? 'BadRequest' : 'InternalError';
  return new StatusError(reason, body.toString().slice(0, 10_000).trim(), undefined, { code });
}

/** Hands on an answer as it comes, no faster than the client takes it. */
export function pour(
  clock: Clock,
  answer: IncomingMessage,
  exchange: Exchange,
  code: number,
  headers: Record<string, string>,
): void {
  const sink = exchange.stream(code, headers);
  answer.on('data', (bytes: Buffer) => {
    sink.write(bytes);
    if (sink.pending <= 1 << 20) return;
    answer.pause();
    const wait = clock.every(10, () => {
      if (sink.pending > 1 << 18 && !exchange.signal.aborted) return;
      wait.cancel();
      answer.resume();
    });
  });
  answer.on('end', () => sink.end());
  answer.on('error', () => sink.destroy());
}

function unreachable(target: Target, error: Error): StatusError {
  return new StatusError(
    'InternalError',
    `error dialing the node at ${target.host}:${target.port}: ${error.message}`,
    undefined,
    {
      code: 502,
    },
  );
}
