/** A registry for tests: the distribution API on the loopback, with token or basic authentication and faults on demand. */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { digestOf, type MadeImage } from './fixture.ts';

export interface Faults {
  /** The next so many answers to requests that match are replaced. */
  (request: {
    method: string;
    path: string;
    headers: http.IncomingHttpHeaders;
  }): 'cut' | 'corrupt' | 'redirect' | number | undefined;
}

export interface TestRegistry extends AsyncDisposable {
  host: string;
  blobs: Map<string, Buffer>;
  manifests: Map<string, { type: string; bytes: Buffer }>;
  requests: { method: string; path: string; authorization: string | undefined; range: string | undefined }[];
  fault: Faults;
  auth: { kind: 'none' } | { kind: 'basic' | 'token'; username: string; password: string };
  /** Where `redirect` leads: another origin. */
  elsewhere: string;
  /** Authorization headers that the other origin was sent. */
  leaked: string[];
  add(repository: string, tag: string, image: Pick<MadeImage, 'blobs' | 'manifest'>): void;
}

export async function startRegistry(): Promise<TestRegistry> {
  const tokens = new Set<string>();
  const storage = http.createServer((request, response) => {
    if (request.headers.authorization) registry.leaked.push(request.headers.authorization);
    response.end(registry.blobs.get(decodeURIComponent((request.url ?? '/').slice(1))));
  });
  const server = http.createServer((request, response) => void serve(request, response));
  await Promise.all([server, storage].map((each) => new Promise<void>((done) => each.listen(0, '127.0.0.1', done))));
  const hostOf = (each: http.Server) => `127.0.0.1:${(each.address() as AddressInfo).port}`;

  const registry: TestRegistry = {
    host: hostOf(server),
    elsewhere: `http://${hostOf(storage)}`,
    blobs: new Map(),
    manifests: new Map(),
    requests: [],
    leaked: [],
    fault: () => undefined,
    auth: { kind: 'none' },
    add(repository, tag, image) {
      for (const [digest, bytes] of image.blobs) registry.blobs.set(digest, bytes);
      const document = {
        type: image.manifest.mediaType,
        bytes: image.blobs.get(image.manifest.digest) ?? Buffer.alloc(0),
      };
      for (const which of [tag, image.manifest.digest]) registry.manifests.set(`${repository}:${which}`, document);
    },
    async [Symbol.asyncDispose]() {
      for (const each of [server, storage]) {
        each.closeAllConnections();
        await new Promise((done) => each.close(done));
      }
    },
  };

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${registry.host}`);
    const method = request.method ?? 'GET';
    const { authorization, range } = request.headers;
    registry.requests.push({ method, path: url.pathname, authorization, range });
    if (url.pathname === '/token') return token(authorization, response);
    if (!allowed(authorization)) return challenge(response);
    const fault = registry.fault({ method, path: url.pathname, headers: request.headers });
    if (typeof fault === 'number') {
      response
        .writeHead(fault, { 'retry-after': '0' })
        .end(JSON.stringify({ errors: [{ code: 'TEST', message: 'as asked' }] }));
      return;
    }
    const [, repository, kind, which = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    if (!repository) return void response.writeHead(404).end();
    if (method === 'GET' || method === 'HEAD')
      return read(repository, kind ?? '', which, method, range, fault, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    write(repository, kind ?? '', which, url, Buffer.concat(chunks), request, response);
  }

  function read(
    repository: string,
    kind: string,
    which: string,
    method: string,
    range: string | undefined,
    fault: ReturnType<Faults>,
    response: http.ServerResponse,
  ) {
    const found =
      kind === 'manifests'
        ? registry.manifests.get(`${repository}:${which}`)
        : { type: 'application/octet-stream', bytes: registry.blobs.get(which) };
    if (!found?.bytes)
      return void response
        .writeHead(404)
        .end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'not here' }] }));
    if (fault === 'redirect')
      return void response.writeHead(307, { location: `${registry.elsewhere}/${encodeURIComponent(which)}` }).end();
    const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    let bytes = found.bytes.subarray(from);
    if (fault === 'corrupt') bytes = Buffer.from(bytes).fill(0x41, Math.floor(bytes.length / 2));
    response.writeHead(from > 0 ? 206 : 200, { 'content-type': found.type, 'content-length': bytes.length });
    if (method === 'HEAD') return void response.end();
    if (fault !== 'cut') return void response.end(bytes);
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.destroy());
  }

  function write(
    repository: string,
    kind: string,
    which: string,
    url: URL,
    bytes: Buffer,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ) {
    if (kind === 'manifests') {
      const document = { type: String(request.headers['content-type']), bytes };
      for (const each of [which, digestOf(bytes)]) registry.manifests.set(`${repository}:${each}`, document);
      return void response.writeHead(201).end();
    }
    const mount = url.searchParams.get('mount');
    if (request.method === 'POST') {
      if (mount && registry.blobs.has(mount)) return void response.writeHead(201).end();
      return void response
        .writeHead(202, { location: `/v2/${repository}/blobs/uploads/${randomUUID()}?state=1` })
        .end();
    }
    const digest = url.searchParams.get('digest') ?? '';
    if (digestOf(bytes) !== digest) return void response.writeHead(400).end();
    registry.blobs.set(digest, bytes);
    response.writeHead(201).end();
  }

  const basicOf = () =>
    registry.auth.kind === 'none'
      ? ''
      : `Basic ${Buffer.from(`${registry.auth.username}:${registry.auth.password}`).toString('base64')}`;

  function allowed(authorization: string | undefined): boolean {
    if (registry.auth.kind === 'none') return true;
    return registry.auth.kind === 'basic' ? authorization === basicOf() : tokens.has(authorization ?? '');
  }

  function challenge(response: http.ServerResponse): void {
    const bearer = `Bearer realm="http://${registry.host}/token",service="test",scope="repository:x:pull"`;
    response
      .writeHead(401, { 'www-authenticate': registry.auth.kind === 'basic' ? 'Basic realm="test"' : bearer })
      .end();
  }

  function token(authorization: string | undefined, response: http.ServerResponse): void {
    if (authorization !== basicOf()) return void response.writeHead(401).end();
    const made = randomUUID();
    tokens.add(`Bearer ${made}`);
    response.end(JSON.stringify({ token: made, expires_in: 300 }));
  }

  return registry;
}
