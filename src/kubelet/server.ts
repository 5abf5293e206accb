/** The agent's own server: logs, exec, attach, port-forward and figures, for clients that the cluster's authority vouches for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { StatusError, isStatusError } from '../machinery/index.ts';
import { parseLogQuery } from './containerlogs.ts';
import { readLog } from './runtime/logs.ts';
import type { Context, ServerOptions } from './options.ts';
import type { PodWorker } from './podworker.ts';
import type { ContainerStatus } from './runtime/runtime.ts';
import { parseRemoteQuery } from './streaming/remotecommand.ts';
import { type Upgraded, upgrade } from './streaming/upgrade.ts';
import { lastExited, latest, readySandbox } from './truth.ts';
import { cadvisorMetrics, resourceMetrics } from './usagemetrics.ts';
import { statsSummary } from './usage.ts';

export interface KubeletServer {
  port: number;
  stop(): Promise<void>;
}

export interface Pods {
  find(key: { namespace: string; name: string; uid?: string }): PodWorker | undefined;
  all(): PodWorker[];
}

interface Ask {
  context: Context;
  pods: Pods;
  url: URL;
  parts: string[];
  request: IncomingMessage;
}

export async function startServer(context: Context, options: ServerOptions, pods: Pods): Promise<KubeletServer> {
  const server = createServer({
    cert: options.cert,
    key: options.key,
    ca: options.clientCA,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    maxHeaderSize: 64 * 1024,
    requestTimeout: 0,
    headersTimeout: 20_000,
  });
  const open = new Set<Duplex>();
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
  const ask = (request: IncomingMessage): Ask => {
    const url = new URL(request.url ?? '/', 'https://node');
    refuseStrangers(request.socket as TLSSocket, options);
    return { context, pods, url, request, parts: url.pathname.split('/').filter(Boolean).map(decodeURIComponent) };
  };
  server.on('request', (request, response) => {
    void serve(() => ask(request), response).catch((error: unknown) => refuse(context, response, error));
  });
  server.on('upgrade', (request, socket, head) => {
    try {
      const asked = ask(request);
      context.counts.request(asked.parts[0] ?? '', request.method ?? 'GET', (closed) => socket.once('close', closed));
      upgrade(context, upgradeFor(asked), request, socket, head);
    } catch (error) {
      refuseSocket(context, socket, error as Error);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function refuseStrangers(socket: TLSSocket, { allowedClients = [] }: ServerOptions): void {
  const name = socket.getPeerCertificate().subject?.CN;
  if (allowedClients.length === 0 || allowedClients.some((allowed) => [name].flat().includes(allowed))) return;
  throw new StatusError(
    'Forbidden',
    `Forbidden (user=${[name ?? ''].flat().join(',')}): this node answers only ${allowedClients.join(', ')}`,
  );
}

type Route = (ask: Ask, response: ServerResponse) => Promise<void> | void;

/** What is told of the agent itself, of all its containers in detail, and of what the Metrics API needs. */
const exposed: Readonly<Record<string, (context: Context, workers: PodWorker[]) => string | Promise<string>>> = {
  '': ({ metrics }) => metrics.text(),
  cadvisor: cadvisorMetrics,
  resource: resourceMetrics,
};

const routes: Readonly<Record<string, Route>> = {
  healthz: (_ask, response) => text(response, 'ok'),
  pods: (ask, response) => json(response, podList(ask)),
  runningpods: (ask, response) => json(response, podList(ask)),
  containerLogs: (ask, response) => logs(ask, response),
  stats: async (ask, response) => {
    if (ask.parts[1] !== 'summary') throw StatusError.noSuchPath();
    json(response, await statsSummary(ask.context, ask.pods.all()));
  },
  metrics: async (ask, response) => {
    const which = ask.parts[1] ?? '';
    if (!Object.hasOwn(exposed, which)) throw StatusError.noSuchPath();
    const told = await exposed[which]!(ask.context, ask.pods.all());
    text(response, told, 'text/plain; version=0.0.4; charset=utf-8');
  },
  exec: notUpgraded,
  attach: notUpgraded,
  portForward: notUpgraded,
};

async function serve(read: () => Ask, response: ServerResponse): Promise<void> {
  const ask = read();
  const route = Object.hasOwn(routes, ask.parts[0] ?? '') ? routes[ask.parts[0] as string] : undefined;
  if (!route) throw StatusError.noSuchPath();
  ask.context.counts.request(ask.parts[0]!, ask.request.method ?? 'GET', (closed) => response.once('close', closed));
  await route(ask, response);
}

function notUpgraded(): never {
  throw StatusError.badRequest('Upgrade request required');
}

function podList({ pods }: Ask): object {
  return {
    kind: 'PodList',
    apiVersion: 'v1',
    metadata: {},
    items: pods.all().map((worker) => ({ ...worker.pod, status: worker.status })),
  };
}

function findPod(ask: Ask, uidAt?: number): PodWorker {
  const [, namespace = '', name = ''] = ask.parts;
  const uid = uidAt === undefined ? undefined : ask.parts[uidAt];
  const worker = ask.pods.find({ namespace, name, uid });
  if (!worker) throw StatusError.notFound({ group: '', resource: 'pods' }, `${name}`);
  return worker;
}

async function logs(ask: Ask, response: ServerResponse): Promise<void> {
  const worker = findPod(ask);
  const { context, url } = ask;
  const options = parseLogQuery(url.searchParams, context.clock.now());
  const container = logContainer(worker, ask.parts[3] ?? '', options.previous);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache' });
  response.flushHeaders();
  const { runtime } = context;
  const lines = readLog(container.logPath, {
    ...options,
    signal: gone.signal,
    ended: async () => (await runtime.containerStatus(container.id))?.state !== 'Running',
    wake: (call) => runtime.onEvent(({ containerId }) => void (containerId === container.id && call())),
  });
  await pipeline(Readable.from(lines), response).catch(() => {});
}

function logContainer(worker: PodWorker, name: string, previous: boolean): ContainerStatus {
  const current = latest(worker.truth, name);
  const pod = worker.pod.metadata.name;
  if (previous) {
    const before =
      current &&
      (lastExited(worker.truth, name, current) ??
        (current.state === 'Exited' && worker.waiting.has(name) ? current : undefined));
    if (!before) throw StatusError.badRequest(`previous terminated container "${name}" in pod "${pod}" not found`);
    return before;
  }
  if (current && current.state !== 'Created') return current;
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = worker.status;
  const told = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (each) => each.name === name,
  );
  if (!told) throw StatusError.badRequest(`container "${name}" in pod "${pod}" is not available`);
  const reason = told.state?.waiting?.reason ?? 'ContainerCreating';
  // Upstream words a failing pull as what it is trying, not as its reason.
  const how = /^(ErrImage|ImagePull)/.test(reason) ? 'trying and failing to pull image' : reason;
  throw StatusError.badRequest(`container "${name}" in pod "${pod}" is waiting to start: ${how}`);
}

function upgradeFor(ask: Ask): Upgraded {
  const [what, , , third, fourth] = ask.parts;
  if (what === 'portForward') {
    const worker = findPod(ask, third === undefined ? undefined : 3);
    const sandbox = readySandbox(worker.truth);
    if (!sandbox)
      throw StatusError.badRequest(`pod "${worker.pod.metadata.name}" does not run: its ports cannot be forwarded`);
    return { kind: 'portforward', sandboxId: sandbox.id, query: ask.url.searchParams };
  }
  if (what !== 'exec' && what !== 'attach') throw StatusError.noSuchPath();
  const worker = findPod(ask, fourth === undefined ? undefined : 3);
  const name = fourth ?? third ?? '';
  const container = latest(worker.truth, name);
  if (container?.state !== 'Running') {
    throw StatusError.badRequest(`container "${name}" of pod "${worker.pod.metadata.name}" does not run`);
  }
  return { kind: 'command', request: { ...parseRemoteQuery(what, ask.url.searchParams), containerId: container.id } };
}

function text(response: ServerResponse, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(200, { 'content-type': type }).end(body);
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function statusOf(context: Context, error: unknown): StatusError {
  if (isStatusError(error)) return error;
  if (error instanceof URIError || (error as Error).name === 'TypeError')
    return StatusError.badRequest(`the path cannot be read: ${(error as Error).message}`);
  context.log.error({ error: (error as Error).stack }, 'a request to the node failed');
  return StatusError.internal((error as Error).message);
}

/** In plain text: the API server makes a Status of it. */
function refuse(context: Context, response: ServerResponse, error: unknown): void {
  const status = statusOf(context, error);
  if (response.headersSent) return void response.destroy();
  response.writeHead(status.code, { 'content-type': 'text/plain; charset=utf-8' }).end(status.message);
}

function refuseSocket(context: Context, socket: Duplex, error: Error): void {
  const status = statusOf(context, error);
  const body = JSON.stringify(status.toStatus());
  socket.end(
    `HTTP/1.1 ${status.code} ${status.reason || 'Error'}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
