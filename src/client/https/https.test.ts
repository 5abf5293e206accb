import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { deployments, nodes, pods } from '../../api/index.ts';
import { StatusError } from '../../machinery/index.ts';
import { VirtualClock } from '../testkit/clock.ts';
import { httpsClient } from './index.ts';
import { ConnectionError } from './transport.ts';

interface Seen {
  method: string;
  url: string;
  type?: string;
  auth?: string;
  body: any;
}

type Answer = (seen: Seen, response: http.ServerResponse, request: http.IncomingMessage) => void;

async function serve(t: TestContext, answer: Answer) {
  const seen: Seen[] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { 'content-type': type, authorization: auth } = request.headers;
    const one: Seen = { method: request.method!, url: request.url!, type, auth, body: text && JSON.parse(text) };
    seen.push(one);
    answer(one, response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clock = new VirtualClock();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = httpsClient({ server: url, clock, token: 'secret' });
  t.after(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, clock, seen, server };
}

const json = (response: http.ServerResponse, body: unknown, code = 200) =>
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));

test('every verb asks as the API specifies', async (t) => {
  const { client, seen } = await serve(t, (_, response) =>
    json(response, { kind: 'Pod', metadata: { name: 'p' }, items: [] }),
  );
  const ref = { namespace: 'ns', name: 'p' };
  const pod = { metadata: ref, spec: { containers: [] } };
  await client.get(pods, ref, { subresource: 'status' });
  await client.get(nodes, { name: 'a/b' });
  await client.list(deployments, { labelSelector: 'a in (b,c)', limit: 5, resourceVersion: '0' });
  await client.list(pods, { namespace: 'ns' });
  await client.create(pods, pod, { fieldManager: 'me', dryRun: true });
  await client.create(pods, { metadata: ref } as never, { subresource: 'binding' });
  await client.update(pods, pod, { subresource: 'status' });
  await client.patch(pods, ref, { type: 'json', operations: [{ op: 'remove', path: '/spec' }] });
  await client.patch(pods, ref, { type: 'merge', body: { a: 1 } });
  await client.patch(pods, ref, { type: 'strategic', body: {} });
  await client.apply(pods, pod, { fieldManager: 'me', force: true });
  await client.delete(pods, ref, { gracePeriodSeconds: 0, preconditions: { uid: 'u' } });
  await client.deleteCollection(pods, { namespace: 'ns', labelSelector: 'a=b' }, { propagationPolicy: 'Background' });
  assert.deepEqual(
    seen.map(({ method, url, type }) =>
      [method, url, ...(type && type !== 'application/json' ? [type] : [])].join(' '),
    ),
    [
      'GET /api/v1/namespaces/ns/pods/p/status',
      'GET /api/v1/nodes/a%2Fb',
      'GET /apis/apps/v1/deployments?labelSelector=a+in+%28b%2Cc%29&resourceVersion=0&limit=5',
      'GET /api/v1/namespaces/ns/pods',
      'POST /api/v1/namespaces/ns/pods?dryRun=All&fieldManager=me',
      'POST /api/v1/namespaces/ns/pods/p/binding',
      'PUT /api/v1/namespaces/ns/pods/p/status',
      'PATCH /api/v1/namespaces/ns/pods/p application/json-patch+json',
      'PATCH /api/v1/namespaces/ns/pods/p application/merge-patch+json',
      'PATCH /api/v1/namespaces/ns/pods/p application/strategic-merge-patch+json',
      'PATCH /api/v1/namespaces/ns/pods/p?fieldManager=me&force=true application/apply-patch+yaml',
      'DELETE /api/v1/namespaces/ns/pods/p',
      'DELETE /api/v1/namespaces/ns/pods?labelSelector=a%3Db',
    ],
  );
  assert.ok(seen.every(({ auth }) => auth === 'Bearer secret'));
  assert.deepEqual(seen.at(-2)!.body, {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds: 0,
    preconditions: { uid: 'u' },
  });
  await assert.rejects(client.get(pods, { name: 'p' }), /Pod p without a namespace: set metadata.namespace/);
});

test('items of a list get the kind that they share', async (t) => {
  const { client } = await serve(t, (_, response) =>
    json(response, {
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: { resourceVersion: '9' },
      items: [{ metadata: { name: 'p' } }],
    }),
  );
  const { items, metadata } = await client.list(pods);
  assert.deepEqual([items[0]?.kind, items[0]?.apiVersion, metadata.resourceVersion], ['Pod', 'v1', '9']);
});

test('a failure is a StatusError, whether the server or something before it says so', async (t) => {
  const { client } = await serve(t, (seen, response) => {
    if (seen.url.includes('gone')) response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    else json(response, StatusError.notFound(pods, 'p').toStatus(), 404);
  });
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'p' }), (error: StatusError) => {
    assert.deepEqual([error.reason, error.code, error.details?.name], ['NotFound', 404, 'p']);
    return error instanceof StatusError;
  });
  await assert.rejects(
    client.get(pods, { namespace: 'ns', name: 'gone' }),
    /answered with status 502: <h1>Bad gateway/,
  );
});

test('a server that asks to come back later is asked again', async (t) => {
  let busy = 2;
  const { client, clock, seen } = await serve(t, (_, response) => {
    if (busy-- > 0) response.writeHead(429, { 'retry-after': '7' }).end();
    else json(response, { kind: 'Pod', metadata: { name: 'p' } });
  });
  const asked = client.get(pods, { namespace: 'ns', name: 'p' });
  const since = clock.now();
  let done = false;
  void asked.then(() => (done = true));
  while (!done) {
    await clock.advance(1_000);
    await new Promise(setImmediate);
  }
  assert.equal(seen.length, 3);
  assert.ok(clock.now() - since >= 14_000);
});

test('a watch yields its events, however the bytes are cut', async (t) => {
  const events = [
    { type: 'ADDED', object: { kind: 'Pod', metadata: { name: 'grün', resourceVersion: '1' } } },
    { type: 'MODIFIED', object: { kind: 'Pod', metadata: { name: 'b', resourceVersion: '2' } } },
    { type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: '3' } } },
  ];
  const bytes = Buffer.from(`${events.map((event) => JSON.stringify(event)).join('\n')}\n\n{"type":"cut`);
  const { client, seen } = await serve(t, async (_, response) => {
    response.writeHead(200);
    for (let at = 0; at < bytes.length; at += 7) {
      response.write(bytes.subarray(at, at + 7));
      if (at % 49 === 0) await new Promise(setImmediate);
    }
    response.end();
  });
  const received = [];
  for await (const event of client.watch(pods, { namespace: 'ns', resourceVersion: '0', allowWatchBookmarks: true })) {
    received.push(event);
  }
  assert.deepEqual(received, events);
  assert.equal(seen[0]?.url, '/api/v1/namespaces/ns/pods?resourceVersion=0&watch=true&allowWatchBookmarks=true');
});

test('an error event of a watch is thrown; a broken connection too; an abort ends it quietly', async (t) => {
  const { client } = await serve(t, (seen, response) => {
    response.writeHead(200);
    const error = { type: 'ERROR', object: StatusError.expired('too old').toStatus() };
    if (seen.url.includes('/expired/')) response.end(`${JSON.stringify(error)}\n`);
    else
      response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n', () => {
        if (seen.url.includes('/broken/')) response.destroy();
      });
  });
  const all = async (namespace: string, signal?: AbortSignal) => {
    const names = [];
    for await (const { object } of client.watch(pods, { namespace, signal })) names.push(object.metadata.name);
    return names;
  };
  await assert.rejects(all('expired'), (error: StatusError) => error.reason === 'Expired' && error.code === 410);
  await assert.rejects(all('broken'), ConnectionError);
  const stop = new AbortController();
  const names = [];
  for await (const { object } of client.watch(pods, { namespace: 'endless', signal: stop.signal })) {
    names.push(object.metadata.name);
    stop.abort();
  }
  assert.deepEqual(names, ['a']);
});

test('a server that never answers is given up; one that is not there is named', async (t) => {
  const { client, clock, seen } = await serve(t, () => {});
  const asked = client.get(pods, { namespace: 'ns', name: 'p' });
  asked.catch(() => {});
  while (seen.length === 0) await new Promise(setImmediate);
  await clock.advance(60_000);
  await assert.rejects(asked, /no answer from http:\/\/127.0.0.1:\d+: timed out after 60 s/);
  const nobody = httpsClient({ server: 'http://127.0.0.1:1', clock });
  await assert.rejects(nobody.get(nodes, { name: 'n' }), /no answer from http:\/\/127.0.0.1:1: .*ECONNREFUSED/);
});

test('a connection that the server closed meanwhile costs a reader nothing', async (t) => {
  let answered = 0;
  const { client, seen } = await serve(t, (_, response, request) => {
    if (seen.length === 2) request.socket.destroy();
    else json(response, { kind: 'Node', metadata: { name: `n${answered++}` } });
  });
  await client.get(nodes, { name: 'n' });
  assert.equal((await client.get(nodes, { name: 'n' })).metadata.name, 'n1');
  assert.equal(seen.length, 3);
});

test('TLS: the server must be known, and knows its client by certificate', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glasshouse-tls-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  try {
    const subject = ['-subj', '/CN=tester', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const make = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
    ];
    execFileSync('openssl', [...make, ...subject], { stdio: 'ignore' });
  } catch {
    return t.skip('openssl is not there to make a certificate');
  }
  const pem = { key: readFileSync(key), cert: readFileSync(cert) };
  const server = https.createServer({ ...pem, ca: pem.cert, requestCert: true }, (request, response) => {
    const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
    json(response, { kind: 'Node', metadata: { name: CN ?? 'nobody' } });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = new VirtualClock();
  const trusting = httpsClient({ server: url, clock, ca: pem.cert, ...pem });
  const stranger = httpsClient({ server: url, clock });
  t.after(() => {
    trusting.close();
    stranger.close();
    server.closeAllConnections();
    server.close();
  });
  assert.equal((await trusting.get(nodes, { name: 'n' })).metadata.name, 'tester');
  await assert.rejects(stranger.get(nodes, { name: 'n' }), /self-signed certificate/);
});
