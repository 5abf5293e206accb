/** Stands where the apiserver stands: reads of pods, and what is upgraded passed on to the node untouched. */
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:tls';
import { pods } from '../kinds.ts';
import type { Certificates } from './certificates.ts';
import type { World } from './world.ts';

const podResource = {
  name: 'pods',
  singularName: 'pod',
  namespaced: true,
  kind: 'Pod',
  verbs: ['get', 'list'],
  shortNames: ['po'],
};
const discovery: Record<string, object> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': { kind: 'APIResourceList', groupVersion: 'v1', resources: [podResource] },
};

/** `/api/v1/namespaces/default/pods/web/exec?…` as the node's own path. */
function nodePath(url: string): string {
  const asked = new URL(url, 'http://front');
  const [, , , , namespace, , pod, verb = ''] = asked.pathname.split('/');
  const container = verb === 'portforward' ? '' : `/${asked.searchParams.get('container') ?? 'web'}`;
  const names: Record<string, string> = { portforward: 'portForward', log: 'containerLogs' };
  return `/${names[verb] ?? verb}/${namespace}/${pod}${container}${asked.search}`;
}

export async function startFront(
  world: World,
  { ca, client }: Certificates,
): Promise<{ url: string; server: Server } & Disposable> {
  const target = { host: '127.0.0.1', port: world.kubelet.port, ca, cert: client.cert, key: client.key };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://front').pathname;
    const [, , , , , , name, verb] = path.split('/');
    if (verb) {
      const passed = httpsRequest({ ...target, path: nodePath(request.url ?? '') }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      passed.end();
      return;
    }
    const found = name ? world.api.read(pods, name, 'default') : discovery[path];
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(found ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404, reason: 'NotFound' }),
    );
  });
  server.on('upgrade', (request, socket, head) => {
    const node = connect(target, () => {
      const lines = request.rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [`${name}: ${request.rawHeaders[index + 1]}`] : [],
      );
      node.write(`${request.method} ${nodePath(request.url ?? '')} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      node.write(head);
      node.pipe(socket);
      socket.pipe(node);
    });
    node.on('error', () => socket.destroy());
    socket.on('error', () => node.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
