import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { definition, definitions } from '../crd/testkit/index.ts';
import { systemClock } from '../../machinery/index.ts';
import { createAuthority, issue } from '../pki/index.ts';
import { type Door, openDoor } from '../testkit/index.ts';

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const merge = { 'content-type': 'application/merge-patch+json' };

describe('aggregation', () => {
  let door: Door;
  let server: Server;
  let bundle: string;
  const seen: { method: string; url: string; headers: any; subject: string | undefined; body: string }[] = [];
  before(async () => {
    const now = Date.now();
    const validity = { notBefore: now - 3600_000, notAfter: now + 3600_000 };
    const proxyAuthority = createAuthority('front-proxy', now);
    const proxy = issue(proxyAuthority, { commonName: 'front-proxy-client', uses: ['client'], ...validity });
    // servers behind answer in real time
    door = await openDoor({ clock: systemClock, frontProxy: { ...proxy, authority: proxyAuthority.certificate } });
    const authority = createAuthority('behind-authority', now);
    const pair = issue(authority, {
      commonName: 'behind',
      hosts: ['behind.default.svc'],
      uses: ['server'],
      ...validity,
    });
    bundle = Buffer.from(authority.certificate).toString('base64');
    const tls = { cert: pair.certificate, key: pair.key, ca: proxyAuthority.certificate, requestCert: true };
    server = createServer({ ...tls, rejectUnauthorized: false }, async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const socket = request.socket as TLSSocket;
      const subject = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined;
      const { method = '', url = '', headers } = request;
      seen.push({ method, url, headers, subject, body: Buffer.concat(parts).toString() });
      response.setHeader('content-type', 'application/json');
      if (url === '/apis/behind.example.com/v1') {
        const resources = [
          { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get', 'list'] },
          { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
        ];
        const list = { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'behind.example.com/v1', resources };
        return void response.end(JSON.stringify(list));
      }
      if (method === 'DELETE') response.statusCode = 418;
      response.end(JSON.stringify({ kind: 'FlunderList', url }));
    });
    server.on('upgrade', ({ url = '', headers }, socket) => {
      seen.push({ method: 'upgrade', url, headers, subject: undefined, body: '' });
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await door[Symbol.asyncDispose]();
  });
  const available = async (name: string) =>
    (await door.ask('GET', `${services}/${name}`)).body.status?.conditions?.find(
      (one: any) => one.type === 'Available',
    );

  test('what is served here has an APIService, definitions too, as they come and go', async () => {
    const names = async () => (await door.ask('GET', services)).body.items.map((one: any) => one.metadata.name);
    const all = await names();
    for (const name of ['v1.', 'v1.apps', 'v1.apiextensions.k8s.io']) assert.ok(all.includes(name), name);
    const apps = await available('v1.apps');
    assert.deepEqual([apps.status, apps.reason], ['True', 'Local']);
    await door.ask('POST', definitions, {
      body: definition({ group: 'own.example.com', plural: 'owns', kind: 'Own' }),
    });
    await door.cluster.eventually(async () => (await names()).includes('v1.own.example.com'));
    await door.ask('DELETE', `${services}/v1.own.example.com`);
    await door.cluster.eventually(async () => (await names()).includes('v1.own.example.com'));
    await door.ask('DELETE', `${definitions}/owns.own.example.com`);
    await door.cluster.eventually(async () => !(await names()).includes('v1.own.example.com'));
  });

  test('what an APIService gives away is asked of its service, in the name of whoever asks', async () => {
    const spec = {
      group: 'behind.example.com',
      version: 'v1',
      groupPriorityMinimum: 1000,
      versionPriority: 10,
      caBundle: bundle,
      service: { namespace: 'default', name: 'behind' },
    };
    const name = 'v1.behind.example.com';
    const made = await door.ask('POST', services, { body: { metadata: { name }, spec } });
    assert.equal(made.status, 201, made.text);
    await door.cluster.eventually(async () => (await available(name))?.reason === 'ServiceNotFound');
    const at = '/apis/behind.example.com/v1/namespaces/default/flunders';
    assert.deepEqual(
      [(await door.ask('GET', at)).status, (await door.ask('GET', at)).body.message],
      [503, 'service unavailable'],
    );

    const ports = [{ name: 'https', port: 443 }];
    const service = { metadata: { name: 'behind' }, spec: { ports } };
    assert.equal((await door.ask('POST', '/api/v1/namespaces/default/services', { body: service })).status, 201);
    await door.cluster.eventually(async () => (await available(name))?.reason === 'EndpointsNotFound');
    // the API takes no address of the loopback
    const { port } = server.address() as AddressInfo;
    const slice = {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { name: 'behind', namespace: 'default', labels: { 'kubernetes.io/service-name': 'behind' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    };
    const key = '/registry/discovery.k8s.io/endpointslices/default/behind';
    await door.cluster.store.txn({ compare: [], writes: [{ key, value: Buffer.from(JSON.stringify(slice)) }] });
    const condition = await door.cluster.eventually(async () => {
      const now = await available(name);
      return now?.status === 'True' ? now : undefined;
    });
    assert.equal(condition.message, 'all checks passed');

    const listed = await door.ask('GET', `${at}?limit=5`, {
      headers: { 'impersonate-user': 'ann', 'impersonate-group': 'system:masters', 'x-remote-user': 'root' },
    });
    assert.deepEqual([listed.status, listed.body], [200, { kind: 'FlunderList', url: `${at}?limit=5` }]);
    const asked = seen.at(-1)!;
    assert.equal(asked.headers['x-remote-user'], 'ann');
    assert.match(asked.headers['x-remote-group'], /system:masters/);
    assert.equal(asked.headers['impersonate-user'], undefined);
    assert.equal(asked.subject, 'front-proxy-client');
    const body = { spec: { a: 1 } };
    await door.ask('PATCH', `${at}/x`, { body, headers: merge });
    assert.deepEqual(JSON.parse(seen.at(-1)!.body), body);
    assert.equal(seen.at(-1)!.headers['content-type'], 'application/merge-patch+json');
    assert.equal((await door.ask('DELETE', `${at}/x`)).status, 418);
    const refused = await door.ask('GET', at, { headers: { 'impersonate-user': 'bob' } });
    assert.equal(refused.status, 403);

    const { port: own } = door;
    const { admin } = await door.cluster.listen();
    const upgraded = request({
      host: '127.0.0.1',
      port: own,
      path: `${at}/x/console?follow=1`,
      ca: door.tls.ca,
      cert: admin.certificate,
      key: admin.key,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'echo',
        'x-remote-user': 'root',
        'sec-websocket-protocol': 'v5, base64url.bearer.authorization.k8s.io.c2VjcmV0',
      },
    });
    const [, socket] = (await once(upgraded.end(), 'upgrade')) as [unknown, Duplex];
    socket.write('over and out');
    assert.equal(String((await once(socket, 'data'))[0]), 'over and out');
    socket.destroy();
    const { url, headers } = seen.at(-1)!;
    assert.equal(url, `${at}/x/console?follow=1`);
    assert.deepEqual([headers['x-remote-user'], headers['sec-websocket-protocol']], ['kubernetes-admin', 'v5']);

    const groups = (await door.ask('GET', '/apis')).body.groups.map((one: any) => one.name);
    assert.ok(groups.includes('behind.example.com'));
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const { items } = (await door.ask('GET', '/apis', { headers: { accept } })).body;
    const [version] = items.find((one: any) => one.metadata.name === 'behind.example.com').versions;
    assert.deepEqual([version.freshness, version.resources[0].resource], ['Current', 'flunders']);
    assert.equal(version.resources[0].subresources[0].subresource, 'status');
    assert.equal((await door.ask('GET', '/apis/behind.example.com/v1')).body.kind, 'APIResourceList');
    const { paths } = (await door.ask('GET', '/openapi/v3')).body;
    const document = await door.ask('GET', paths['apis/behind.example.com/v1'].serverRelativeURL);
    assert.equal(document.body.url, '/openapi/v3/apis/behind.example.com/v1');
    await door.ask('DELETE', `${services}/${name}`);
    assert.equal((await door.ask('GET', at)).status, 404);
  });

  test('servers behind can read how to tell whom to believe', async () => {
    const at = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
    const { data } = (await door.ask('GET', at)).body;
    assert.match(data['requestheader-client-ca-file'], /BEGIN CERTIFICATE/);
    assert.equal(data['requestheader-allowed-names'], '["front-proxy-client"]');
  });
});
