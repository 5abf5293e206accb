/**
 * The door: TLS on one port, HTTP/2 and HTTP/1.1 as the client prefers, and upgrades. It turns connections into exchanges and knows nothing
 * of what is asked.
 */
import { X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { StatusError } from '../machinery/index.ts';
import type { Body, Exchange, Headers, Sink, StandingHeaders } from './exchange.ts';

export interface ListenOptions {
  /** PEM. */
  certificate: string;
  key: string;
  /** PEM of the authority whose client certificates are believed. */
  clientAuthority: string;
  /** PEM of the authority whose client certificates are those of proxies in front; absent: there are none. */
  proxyAuthority?: string | undefined;
  host: string;
  /** 0: any free one. */
  port: number;
}

export interface Door {
  readonly port: number;
  /** Stops accepting and cuts what is open. */
  close(): Promise<void>;
}

export interface Visitor {
  request(exchange: Exchange): void;
  /** A connection that wants to become something else. The handler owns the socket. */
  upgrade(exchange: Exchange, socket: Duplex, head: Buffer): void;
  /** Told of a connection that was to be encrypted and could not. */
  strange?(): void;
}

const headersTimeout = 30_000;
/** For a whole request to arrive, its body included; answers may take as long as they like. */
const requestTimeout = 60_000;
const handshakeTimeout = 10_000;
/** Requests of one connection that were taken back unanswered, less those that were not: who goes on so is shown out. */
const cutLimit = 1000;

export async function open(options: ListenOptions, visitor: Visitor): Promise<Door> {
  const http = createServer({ headersTimeout, requestTimeout, keepAliveTimeout: 120_000, maxHeaderSize: 64 * 1024 });
  http.on('request', (request, response) => visitor.request(new Http1Exchange(request, response, subjectOf)));
  http.on('upgrade', (request, socket, head) =>
    visitor.upgrade(new Http1Exchange(request, undefined, subjectOf), socket, head),
  );
  // it never listens itself, and looks after its timeouts only once it believes that it does
  http.emit('listening');
  http.on('clientError', refuse);
  const subjectOf = subjectsOf(options);
  const sockets = new Set<Socket>();
  const server = createTlsServer({
    cert: options.certificate,
    key: options.key,
    ca: [options.clientAuthority, ...(options.proxyAuthority === undefined ? [] : [options.proxyAuthority])],
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout,
    minVersion: 'TLSv1.2',
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => visitor.strange?.());
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    if (socket.alpnProtocol === 'h2') serveHttp2(socket, visitor, subjectOf(socket));
    else http.emit('connection', socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port, host: options.host, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        http.close(() => {});
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function serveHttp2(socket: TLSSocket, visitor: Visitor, subject: Exchange['subject']): void {
  const session: ServerHttp2Session = performServerHandshake(socket, {
    settings: { maxConcurrentStreams: 1000, initialWindowSize: 1 << 20, enableConnectProtocol: false },
    maxSessionMemory: 1000,
    maxSessionInvalidFrames: 100,
  } as never);
  session.setLocalWindowSize(1 << 24);
  session.on('error', () => session.destroy());
  let cut = 0;
  session.on('stream', (stream, headers, _flags, raw) => {
    stream.on('error', () => stream.destroy());
    stream.once('close', () => {
      cut = stream.headersSent ? Math.max(0, cut - 1) : cut + 1;
      if (cut > cutLimit) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    });
    visitor.request(new Http2Exchange(stream, severalOf(headers as Headers, raw as unknown as string[]), subject));
  });
}

/** What is no HTTP, or too slow to become some. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  const answers: Record<string, string> = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  };
  if (socket.writable)
    socket.end(`HTTP/1.1 ${answers[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
  else socket.destroy();
}

type SubjectOf = (socket: TLSSocket) => Exchange['subject'];

/**
 * Certificates count by the authority at the end of their chain: those of the proxies' name no user. That of a kept-alive connection is looked
 * at once.
 */
function subjectsOf({ clientAuthority, proxyAuthority }: ListenOptions): SubjectOf {
  const clients = rootsIn(clientAuthority);
  const proxies = proxyAuthority === undefined ? new Set<string>() : rootsIn(proxyAuthority);
  const subjects = new WeakMap<object, { subject: Exchange['subject'] }>();
  const read = (socket: TLSSocket): Exchange['subject'] => {
    if (!socket.authorized) return undefined;
    if (proxies.size === 0) return socket.getPeerCertificate().subject as unknown as Exchange['subject'];
    const certificate = socket.getPeerCertificate(true);
    const chain = new Set<string>();
    for (let at = certificate; at !== undefined && !chain.has(at.fingerprint256); at = at.issuerCertificate)
      chain.add(at.fingerprint256);
    const { CN, O } = certificate.subject as unknown as NonNullable<Exchange['subject']>;
    const isProxy = [...chain].some((one) => proxies.has(one));
    const isClient = [...chain].some((one) => clients.has(one));
    if (!isProxy && !isClient) return undefined;
    return { ...(CN && { CN }), ...(O && { O }), ...(isProxy && { proxy: isClient ? 'also' : 'only' }) };
  };
  return (socket) => {
    let known = subjects.get(socket);
    if (known === undefined) subjects.set(socket, (known = { subject: read(socket) }));
    return known.subject;
  };
}

/** The fingerprints of the certificates in a PEM. */
function rootsIn(pem: string): Set<string> {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return new Set(found.map((one) => new X509Certificate(one).fingerprint256));
}

/** Headers that say who asks may come several times, each a value of its own: Node joins them. */
function severalOf(headers: Headers, raw: readonly string[]): Headers {
  if (headers['impersonate-user'] === undefined && headers['x-remote-user'] === undefined) return headers;
  const lists: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (name.startsWith('impersonate-') || name.startsWith('x-remote-')) (lists[name] ??= []).push(raw[i + 1]!);
  }
  return { ...headers, ...lists };
}

/** Why signals are aborted: one for all, as making one takes a stack trace. */
const over = new Error('the exchange is over');

abstract class Base {
  readonly path: string;
  standing: StandingHeaders | undefined;
  auditId: string | undefined;
  readonly #search: string;
  #query: URLSearchParams | undefined;

  constructor(url: string) {
    const mark = url.indexOf('?');
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.#search = mark < 0 ? '' : url.slice(mark + 1);
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#search));
  }
}

/** What goes with every answer. */
function named(headers: Record<string, string>, auditId: string | undefined): Record<string, string> {
  return auditId === undefined ? headers : { ...headers, 'Audit-Id': auditId };
}

class Http1Exchange extends Base implements Exchange {
  readonly method: string;
  readonly headers: Headers;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse | undefined;
  #abort: AbortController | undefined;

  readonly #subjectOf: SubjectOf;

  constructor(request: IncomingMessage, response: ServerResponse | undefined, subjectOf: SubjectOf) {
    super(request.url ?? '/');
    this.method = request.method ?? 'GET';
    this.headers = severalOf(request.headers, request.rawHeaders);
    this.#subjectOf = subjectOf;
    this.#request = request;
    this.#response = response;
  }

  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get subject(): Exchange['subject'] {
    return this.#subjectOf(this.#request.socket as TLSSocket);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      const abort = this.#abort;
      // the response closes with its connection, and when it is complete
      const from = this.#response ?? this.#request.socket;
      if (from.destroyed) abort.abort(over);
      else from.once('close', () => abort.abort(over));
    }
    return this.#abort.signal;
  }

  body(limit: number): Promise<Buffer> {
    return collect(this.#request, limit, Number(this.headers['content-length'] ?? Number.NaN));
  }

  reply(code: number, headers: Record<string, string>, body: Body): void {
    const response = this.#response;
    if (response === undefined || response.destroyed) return;
    if (Buffer.isBuffer(body)) {
      response.writeHead(code, {
        ...named(headers, this.auditId),
        ...this.standing?.canonical,
        'Content-Length': body.length,
      });
      response.end(this.method === 'HEAD' ? undefined : body);
      return;
    }
    response.writeHead(code, {
      ...named(headers, this.auditId),
      ...this.standing?.canonical,
      'Content-Length': body.length,
    });
    if (this.method === 'HEAD') response.end();
    else pump(body, response);
  }

  stream(code: number, headers: Record<string, string>): Sink {
    const response = this.#response!;
    response.writeHead(code, { ...named(headers, this.auditId), ...this.standing?.canonical });
    response.flushHeaders();
    return {
      get pending() {
        return response.writableLength + (response.socket?.writableLength ?? 0);
      },
      write: (bytes) => void response.write(bytes),
      end: () => void response.end(),
      destroy: () => void response.destroy(),
    };
  }
}

class Http2Exchange extends Base implements Exchange {
  readonly method: string;
  readonly headers: Headers;
  readonly subject: Exchange['subject'];
  readonly #stream: ServerHttp2Stream;
  #abort: AbortController | undefined;

  constructor(stream: ServerHttp2Stream, headers: Headers, subject: Exchange['subject']) {
    super(String(headers[':path'] ?? '/'));
    this.method = String(headers[':method']);
    this.headers = headers;
    this.subject = subject;
    this.#stream = stream;
  }

  get remoteAddress(): string | undefined {
    return this.#stream.session?.socket.remoteAddress;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      const abort = this.#abort;
      if (this.#stream.destroyed) abort.abort(over);
      else this.#stream.once('close', () => abort.abort(over));
    }
    return this.#abort.signal;
  }

  body(limit: number): Promise<Buffer> {
    return collect(this.#stream, limit, Number(this.headers['content-length'] ?? Number.NaN));
  }

  reply(code: number, headers: Record<string, string>, body: Body): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    stream.respond({
      ':status': code,
      ...lowered(named(headers, this.auditId)),
      ...this.standing?.lowered,
      'content-length': body.length,
    });
    if (this.method === 'HEAD' || body.length === 0) stream.end();
    else if (Buffer.isBuffer(body)) stream.end(body);
    else pump(body, stream);
    // an answer that comes before the whole request: the rest of it is not wanted
    if (!stream.readableEnded) stream.resume();
  }

  stream(code: number, headers: Record<string, string>): Sink {
    const stream = this.#stream;
    stream.respond({ ':status': code, ...lowered(named(headers, this.auditId)), ...this.standing?.lowered });
    return {
      get pending() {
        return stream.writableLength;
      },
      write: (bytes) => void stream.write(bytes),
      end: () => void stream.end(),
      destroy: () => stream.close(constants.NGHTTP2_CANCEL),
    };
  }
}

/** Writes piece after piece, each when there is room for it; stops when the client goes. */
function pump(pieces: Iterable<Buffer>, to: Writable): void {
  const iterator = pieces[Symbol.iterator]();
  const go = () => {
    for (;;) {
      const { done, value } = iterator.next();
      if (done === true) return void to.end();
      if (!to.write(value)) return void to.once('drain', go);
    }
  };
  go();
}

function lowered(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function collect(source: IncomingMessage | ServerHttp2Stream, limit: number, declared: number): Promise<Buffer> {
  const tooLarge = () => StatusError.tooLarge(`Request entity too large: limit is ${limit}`);
  if (declared > limit) {
    source.resume();
    return Promise.reject(tooLarge());
  }
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    let done = false;
    const fail = (error: Error) => {
      if (done) return;
      done = true;
      reject(error);
    };
    source.on('data', (part: Buffer) => {
      length += part.length;
      if (length > limit) {
        parts.length = 0;
        fail(tooLarge());
        // the answer reaches only who stops sending some time
        if (length > 3 * limit) source.destroy();
      } else if (!done) parts.push(part);
    });
    source.on('end', () => {
      if (done) return;
      done = true;
      if ('session' in source) source.setTimeout(0);
      if (declared >= 0 && length !== declared)
        return reject(StatusError.badRequest(`the body ended after ${length} of ${declared} bytes`));
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, length));
    });
    // made only if it is needed: every request closes, and an error costs a stack trace
    const cutOff = () => {
      if (!done) fail(StatusError.badRequest('the request was cut off before its body was complete'));
    };
    source.on('aborted', cutOff);
    source.on('close', cutOff);
    source.on('error', fail);
    if ('session' in source)
      source.setTimeout(requestTimeout, () =>
        fail(new StatusError('Timeout', 'the body of the request did not arrive in time')),
      );
  });
}
