/** For this folder's tests: a cluster without controllers behind HTTPS, and requests written as they travel. */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AnyObject } from '../../machinery/index.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../../testing/index.ts';

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON; undefined when it is none. */
  body: any;
}

export interface Ask {
  /** Bytes and text travel as they are, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string | string[]>;
  /** Absent: the administrator's certificate. */
  as?: 'nobody';
}

export interface Door extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly port: number;
  /** Where and with which certificates to connect. */
  readonly tls: RequestOptions;
  ask(method: string, path: string, ask?: Ask): Promise<Answered>;
  /** A watch as it arrives: `next` gives the next event, undefined once it has ended. */
  watch(path: string): Promise<WatchReader>;
}

export interface WatchReader {
  readonly status: number;
  next(): Promise<{ type: string; object: AnyObject } | undefined>;
  close(): void;
}

export async function openDoor(options: ClusterOptions = {}): Promise<Door> {
  const cluster = await startCluster({ controllers: false, scheduler: false, ...options });
  const { port, authority, admin } = await cluster.listen();
  const agent = new Agent({ keepAlive: true });
  const tls = { host: '127.0.0.1', port, ca: authority.certificate, agent };
  const withCertificate = { ...tls, cert: admin.certificate, key: admin.key };
  return {
    cluster,
    port,
    tls: withCertificate,
    ask: async (method, path, ask = {}) => {
      const response = await send(ask.as === 'nobody' ? { ...tls, agent: false } : withCertificate, method, path, ask);
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      const text = Buffer.concat(parts).toString();
      return { status: response.statusCode!, headers: response.headers, text, body: parsed(text) };
    },
    watch: async (path) => reader(await send(withCertificate, 'GET', path, {})),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

function send(to: RequestOptions, method: string, path: string, { body, headers = {} }: Ask): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const bytes = bytesOf(body);
    const typed =
      bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(bytes.length) };
    const sent = httpsRequest({ ...to, method, path, headers: { ...typed, ...headers } }, resolve);
    sent.on('error', reject);
    sent.end(bytes);
  });
}

function bytesOf(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reader(response: IncomingMessage): WatchReader {
  const events: { type: string; object: AnyObject }[] = [];
  let rest = '';
  let ended = false;
  let wake = () => {};
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) events.push(JSON.parse(line));
    wake();
  });
  const end = () => {
    ended = true;
    wake();
  };
  response.on('close', end);
  response.on('error', end);
  return {
    status: response.statusCode!,
    async next() {
      while (events.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve));
      return events.shift();
    },
    close: () => response.destroy(),
  };
}

/** A ConfigMap, as JSON. */
export function configMap(name: string, data: Record<string, string> = {}, metadata: object = {}): AnyObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data } as AnyObject;
}

/** A pod that asks for nothing but a container. */
export function pod(name: string, spec: object = {}, metadata: object = {}): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'c', image: 'i' }], automountServiceAccountToken: false, ...spec },
  } as AnyObject;
}

/** Pods run as it; no controller makes it here. */
export async function defaultAccount(door: Door, namespace = 'default'): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await door.ask('POST', path, { body: { metadata: { name: 'default' } } });
}
