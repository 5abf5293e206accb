import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { portOf } from './handler.ts';
import { probeGrpc } from './grpc.ts';
import { probeHttp } from './http.ts';
import { probeTcp } from './tcp.ts';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const never = new AbortController().signal;

test('HTTP: good from 200 to 399, redirects followed on the same host, failures told with their code', async () => {
  const server = createHttp((request, response) => {
    if (request.url === '/moved') return response.writeHead(302, { location: '/fine' }).end();
    if (request.url === '/away') return response.writeHead(302, { location: 'http://elsewhere.invalid/' }).end();
    if (request.url === '/slow') return;
    response.writeHead(request.url === '/fine' && request.headers['x-key'] === 'k' ? 200 : 503).end('x');
  });
  const port = await listening(server);
  const ask = (path: string, signal = never) =>
    probeHttp({ scheme: 'http', host: '127.0.0.1', port, path, headers: [{ name: 'X-Key', value: 'k' }] }, signal);
  try {
    assert.equal((await ask('/fine')).ok, true);
    assert.equal((await ask('/moved')).ok, true);
    assert.equal((await ask('/away')).ok, true);
    assert.deepEqual(await ask('/bad'), { ok: false, output: 'HTTP probe failed with statuscode: 503' });
    const limit = new AbortController();
    const slow = ask('/slow', limit.signal);
    limit.abort();
    assert.match((await slow).output, /context deadline exceeded/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  assert.match((await ask('/fine')).output, /connect: connection refused$/);
});

test('TCP: open or not', async () => {
  const server = createServer((socket) => socket.destroy());
  const port = await listening(server);
  assert.equal((await probeTcp('127.0.0.1', port, never)).ok, true);
  await new Promise((resolve) => server.close(resolve));
  assert.match((await probeTcp('127.0.0.1', port, never)).output, /connection refused/);
});

test('gRPC: serving or not, for the service that is named', async () => {
  const asked: string[] = [];
  const server = createHttp2();
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const service = Buffer.concat(chunks).toString('latin1', 7);
      asked.push(`${headers[':path']} ${service}`);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': service === 'none' ? '5' : '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, service === 'sick' ? 2 : 1]));
    });
  });
  const port = await listening(server);
  try {
    assert.equal((await probeGrpc('127.0.0.1', port, '', never)).ok, true);
    assert.deepEqual(await probeGrpc('127.0.0.1', port, 'sick', never), {
      ok: false,
      output: 'service unhealthy (responded with "NOT_SERVING")',
    });
    assert.match((await probeGrpc('127.0.0.1', port, 'none', never)).output, /grpc status 5/);
    assert.equal(asked[1], '/grpc.health.v1.Health/Check sick');
  } finally {
    server.close();
  }
});

test('ports by number and by name', () => {
  const container = { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] };
  assert.equal(portOf('web', container), 8080);
  assert.equal(portOf('81', container), 81);
  assert.throws(() => portOf('none', container), /couldn't find port: "none" in container c/);
});
