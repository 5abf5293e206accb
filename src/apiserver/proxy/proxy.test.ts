import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Door, openDoor, pod } from '../testkit/index.ts';
import { rewriteHtml } from './html.ts';

const core = '/api/v1/namespaces/default';
const merge = { 'content-type': 'application/merge-patch+json' };

describe('the proxy', () => {
  let door: Door;
  let server: Server;
  let port: number;
  before(async () => {
    server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      if (request.url === '/moved') return void response.writeHead(302, { location: '/there' }).end();
      if (request.url === '/page')
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<a href="/x">x</a>');
      const told = { url: request.url, method: request.method, body: Buffer.concat(parts).toString() };
      const secret = request.headers.authorization ?? '';
      response.writeHead(418, { 'x-teapot': 'yes' }).end(JSON.stringify({ ...told, secret }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    door = await openDoor();
    await door.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'default' } } });
    await door.ask('POST', `${core}/pods`, { body: pod('web') });
    const status = { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
    await door.ask('PATCH', `${core}/pods/web/status`, { body: { status }, headers: merge });
    const spec = { ports: [{ name: 'http', port: 80 }] };
    for (const name of ['web', 'sly', 'empty'])
      await door.ask('POST', `${core}/services`, { body: { metadata: { name }, spec } });
    const slice = (name: string, endpoint: object) => ({
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], ...endpoint }],
      ports: [{ name: 'http', port }],
    });
    const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
    await door.ask('POST', slices, { body: slice('web', { targetRef: { kind: 'Pod', name: 'web' } }) });
    await door.ask('POST', slices, { body: slice('sly', {}) });
  });
  after(async () => {
    server.close();
    await door[Symbol.asyncDispose]();
  });

  test('nothing is ever sent to the addresses of a simulated node', async () => {
    const status = {
      nodeInfo: { containerRuntimeVersion: 'sim://1' },
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    };
    await door.ask('POST', '/api/v1/nodes', { body: { metadata: { name: 'sim-0' }, status } });
    await door.ask('POST', `${core}/pods`, { body: pod('dream', { nodeName: 'sim-0' }) });
    const address = { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
    await door.ask('PATCH', `${core}/pods/dream/status`, { body: { status: address }, headers: merge });
    const ports = [{ name: 'http', port: 443 }];
    await door.ask('POST', `${core}/services`, { body: { metadata: { name: 'dream' }, spec: { ports } } });
    const endpoints = [{ addresses: ['127.0.0.1'], targetRef: { kind: 'Pod', name: 'dream' } }];
    const labels = { 'kubernetes.io/service-name': 'dream' };
    await door.ask('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      body: { metadata: { name: 'dream', labels }, addressType: 'IPv4', endpoints, ports: [{ name: 'http', port }] },
    });
    const clientConfig = { service: { namespace: 'default', name: 'dream' } };
    const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }];
    const webhook = {
      name: 'dream.example.com',
      clientConfig,
      rules,
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    };
    await door.ask('POST', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
      body: { metadata: { name: 'dream' }, webhooks: [webhook] },
    });
    for (const path of [
      `${core}/pods/http:dream:${port}/proxy/`,
      `${core}/services/dream/proxy/`,
      `/api/v1/nodes/sim-0:${port}/proxy/`,
    ]) {
      const { status: code, text } = await door.ask('GET', path);
      assert.deepEqual([path, code], [path, 503]);
      assert.match(text, /node \\"sim-0\\" is simulated: nothing listens/);
    }
    const refused = await door.ask('POST', `${core}/secrets`, { body: { metadata: { name: 'x' } } });
    assert.match(refused.body.message, /calling webhook "dream.example.com".*node "sim-0" is simulated/);
  });

  test('a pod is asked as the client asked, and answers for itself', async () => {
    const headers = { 'content-type': 'text/plain', 'x-more': '1' };
    const path = `${core}/pods/http:web:${port}/proxy/a/b?c=d`;
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await door.ask(method, path, { body: 'hello', headers });
      assert.deepEqual([answer.status, answer.headers['x-teapot']], [418, 'yes']);
      assert.deepEqual(answer.body, { url: '/a/b?c=d', method, body: 'hello', secret: '' });
    }
  });

  test('a service is asked at one of its endpoints, its port by name, by number or the only one', async () => {
    for (const name of ['web', 'web:http', 'web:80', 'http:web:http'])
      assert.equal((await door.ask('GET', `${core}/services/${name}/proxy/x`)).body.url, '/x', name);
    assert.equal((await door.ask('GET', `${core}/services/web:81/proxy/`)).status, 503);
    const none = await door.ask('GET', `${core}/services/empty/proxy/`);
    assert.deepEqual([none.status, none.body.message], [503, 'no endpoints available for service "empty"']);
  });

  test('links and redirects lead through the proxy again', async () => {
    const base = `${core}/pods/web:${port}/proxy`;
    assert.equal((await door.ask('GET', `${base}/page`)).text, `<a href="${base}/x">x</a>`);
    assert.equal((await door.ask('GET', `${base}/moved`)).headers.location, `${base}/there`);
    const bare = await door.ask('GET', base);
    assert.deepEqual([bare.status, bare.headers.location], [301, `${base}/`]);
  });

  test('a loopback address that is no pod’s is not reached', async () => {
    const refused = await door.ask('GET', `${core}/services/sly/proxy/`);
    assert.deepEqual([refused.status, refused.body.message], [400, 'address not allowed: 127.0.0.1']);
  });

  test('what is not there, or not asked rightly, is said', async () => {
    assert.equal((await door.ask('GET', `${core}/pods/nobody/proxy/`)).status, 404);
    assert.equal((await door.ask('GET', `${core}/pods/ftp:web:1/proxy/`)).status, 400);
    assert.equal((await door.ask('GET', `${core}/pods/web:70000/proxy/`)).status, 400);
    const dead = await door.ask('GET', `${core}/pods/web:1/proxy/`);
    assert.equal(dead.status, 503);
    assert.match(dead.body.message, /error trying to reach service/);
    assert.equal((await door.ask('GET', `${core}/pods/web:${port}/proxy/`, { as: 'nobody' })).status, 403);
  });
});

test('only addresses of the page’s own host are rewritten, and only in attributes that hold addresses', () => {
  const through = { prefix: '/p', host: '10.0.0.1:80' };
  const rewritten = (page: string) => rewriteHtml(page, through);
  assert.equal(rewritten(`<img alt="/a" src='/b?c=/d'/>`), `<img alt="/a" src='/p/b?c=/d'/>`);
  assert.equal(rewritten('<a href="http://10.0.0.1:80/x">'), '<a href="/p/x">');
  for (const same of ['<a href="b">', '<a href="//other/x">', '<a href="/p/x">', '<p title="/x">', 'a < b href="/x"'])
    assert.equal(rewritten(same), same);
});
