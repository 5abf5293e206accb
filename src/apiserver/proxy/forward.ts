/** Carries a request to its target and the answer back. */
import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Clock, StatusError } from '../../machinery/index.ts';
import type { Exchange } from '../exchange.ts';
import { firstCode, join, pour, type Upgrade } from '../nodeproxy.ts';
import { send } from '../respond.ts';
import { rewriteHtml, rewriteUrl, type Through } from './html.ts';
import type { Target } from './target.ts';

const connectTimeout = 10_000;
/** Bytes of a request; of a page whose links are rewritten. */
const bodyLimit = 32 * 1024 * 1024;
const pageLimit = 8 * 1024 * 1024;

/** For one hop alone, or for the API server alone. */
const kept = new Set([
  'authorization',
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

export async function forward(clock: Clock, target: Target, rest: string, exchange: Exchange): Promise<number> {
  const hasBody = !['GET', 'HEAD'].includes(exchange.method);
  const body = hasBody ? await exchange.body(bodyLimit) : undefined;
  const answer = await ask(target, rest, exchange, body);
  const through = throughOf(target, rest, exchange);
  const headers = headersOf(answer, through);
  const code = answer.statusCode ?? 502;
  exchange.signal.addEventListener('abort', () => answer.destroy(), { once: true });
  const isPage = /^text\/html\b/i.test(answer.headers['content-type'] ?? '') && !answer.headers['content-encoding'];
  if (isPage && exchange.method !== 'HEAD' && answer.headers.location === undefined) {
    const page = await collect(answer);
    send(exchange, { code, headers, body: Buffer.from(rewriteHtml(page.toString(), through)) }, []);
  } else if (exchange.method === 'HEAD' || code === 204 || code === 304) {
    answer.resume();
    send(exchange, { code, headers, body: Buffer.alloc(0) }, []);
  } else pour(clock, answer, exchange, code, headers);
  return code;
}

function ask(target: Target, rest: string, exchange: Exchange, body: Buffer | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = { ...optionsOf(target, rest, exchange), timeout: connectTimeout };
    // Node says it for some methods only
    if (body !== undefined) options.headers = { ...options.headers, 'content-length': String(body.length) };
    const request = target.scheme === 'https' ? httpsRequest(options) : httpRequest(options);
    request.on('socket', (socket) => {
      const event = target.scheme === 'https' ? 'secureConnect' : 'connect';
      if (socket.connecting || target.scheme === 'https') socket.once(event, () => request.setTimeout(0));
      else request.setTimeout(0);
    });
    request.on('response', resolve);
    request.on('timeout', () => request.destroy(new Error(`no connection within ${connectTimeout / 1000} s`)));
    request.on('error', (error) => reject(unreachable(error)));
    exchange.signal.addEventListener('abort', () => request.destroy(), { once: true });
    request.end(body);
  });
}

function optionsOf(target: Target, rest: string, exchange: Exchange): RequestOptions {
  const { credentials } = target;
  const headers: Record<string, string | string[]> = {
    ...passedOn(exchange),
    host: `${target.host}:${target.port}`,
    'x-forwarded-uri': exchange.path,
    'x-forwarded-proto': 'https',
  };
  return {
    host: target.host,
    port: target.port,
    path: pathOf(rest, exchange),
    method: exchange.method,
    headers,
    agent: false,
    ...(target.scheme === 'https' && {
      rejectUnauthorized: credentials !== undefined,
      checkServerIdentity: () => undefined,
      ...(credentials && { cert: credentials.certificate, key: credentials.key, ca: credentials.authority }),
    }),
  };
}

function passedOn(exchange: Exchange): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(exchange.headers))
    if (value !== undefined && !name.startsWith(':') && !name.startsWith('impersonate-') && !kept.has(name))
      passed[name] = value;
  return passed;
}

function pathOf(rest: string, exchange: Exchange): string {
  const query = exchange.query.size > 0 ? `?${exchange.query}` : '';
  return `${rest === '' ? '/' : rest}${query}`;
}

function throughOf(target: Target, rest: string, exchange: Exchange): Through {
  return { prefix: exchange.path.slice(0, exchange.path.length - rest.length), host: `${target.host}:${target.port}` };
}

function headersOf(answer: IncomingMessage, through: Through): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && !kept.has(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  if (headers.location !== undefined) headers.location = rewriteUrl(headers.location, through);
  return headers;
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > pageLimit) throw StatusError.internal(`the page is longer than ${pageLimit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The upgrade itself is between the client and the target. */
export async function forwardUpgrade(
  clock: Clock,
  target: Target,
  rest: string,
  exchange: Exchange,
  { socket, head, answered }: Upgrade,
): Promise<void> {
  const { credentials, host, port } = target;
  const upstream =
    target.scheme === 'http'
      ? connectTcp({ host, port })
      : connectTls({
          host,
          port,
          ALPNProtocols: ['http/1.1'],
          rejectUnauthorized: credentials !== undefined,
          checkServerIdentity: () => undefined,
          ...(credentials && { cert: credentials.certificate, key: credentials.key, ca: credentials.authority }),
        });
  const timer = clock.after(connectTimeout, () => upstream.destroy(new Error('no connection')));
  await new Promise<void>((resolve, reject) => {
    upstream.once(target.scheme === 'http' ? 'connect' : 'secureConnect', () => resolve());
    upstream.once('error', (error) => reject(unreachable(error)));
    upstream.once('close', () => reject(unreachable(new Error('the connection was closed'))));
  }).finally(() => timer.cancel());
  const lines = [`${exchange.method} ${pathOf(rest, exchange)} HTTP/1.1`, `Host: ${host}:${port}`];
  const { connection = 'Upgrade', upgrade = '' } = exchange.headers as Record<string, string>;
  lines.push(`Connection: ${connection}`, `Upgrade: ${upgrade}`);
  for (const [name, value] of Object.entries(passedOn(exchange)))
    for (const one of [value].flat())
      lines.push(`${name}: ${one.replaceAll(/base64url\.bearer\.authorization\.k8s\.io\.[^,\s]+,?\s*/g, '')}`);
  upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) upstream.write(head);
  firstCode(upstream, answered);
  join(socket, upstream);
}

function unreachable(error: Error): StatusError {
  return StatusError.serviceUnavailable(`error trying to reach service: ${error.message}`);
}
