import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Informers, quiet } from '../../client/index.ts';
import { StubServer } from '../../client/testkit/server.ts';
import { type AnyObject, type Resource, seededRandom, systemClock } from '../../machinery/index.ts';
import { eventually } from '../netns.suite.ts';
import { endpointSlices, services } from '../objects.ts';
import { service, slice } from './fixtures.suite.ts';
import { userspaceServices } from './userspace.ts';

// A range of this test's own, so that nothing else on the machine is in its way.
const clusterIP = '127.96.77.9';

async function cluster(t: TestContext) {
  const server = new StubServer();
  const stop = new AbortController();
  const informers = new Informers({
    client: server.client(),
    clock: systemClock,
    random: seededRandom(1),
    signal: stop.signal,
  });
  const plane = userspaceServices({
    informers,
    nodeName: 'here',
    clock: systemClock,
    log: quiet,
    nodePortAddresses: ['127.96.77.1'],
  });
  await plane.ready();
  t.after(async () => {
    await plane.stop();
    stop.abort();
  });
  const put = (...objects: object[]) => {
    for (const object of objects)
      server.put(('addressType' in object ? endpointSlices : services) as Resource<any>, object as AnyObject);
  };
  return { server, put, plane };
}

/** Sends back what it gets once the caller has ended, with its name in front. */
async function backend(t: TestContext, ip: string): Promise<void> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const got: Buffer[] = [];
    open.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from(`${ip} `), ...got])));
  });
  await new Promise<void>((resolve) => server.listen(18_080, ip, () => resolve()));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
}

function call(port: number, message: string | Buffer = 'hi', ip = clusterIP): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ip, port, allowHalfOpen: true });
    const got: Buffer[] = [];
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('end', () => {
      socket.end();
      resolve(Buffer.concat(got).toString());
    });
    socket.on('error', reject);
    socket.end(message);
  });
}

const web = (spec: object = {}, port = 18_000) => service('web', clusterIP, spec, [{ name: 'http', port }]);
const skip = process.platform === 'linux' ? false : 'needs the loopback range, which only Linux has as a whole';

test('a Service answers on its address, its endpoints in turn, each direction closed on its own', {
  skip,
}, async (t) => {
  const { put } = await cluster(t);
  await backend(t, '127.96.77.2');
  await backend(t, '127.96.77.3');
  put(web(), slice('web', ['127.96.77.2', '127.96.77.3'], 18_080));
  await eventually(async () => assert.equal((await call(18_000)).slice(12), 'hi'));
  const answers = await Promise.all([1, 2, 3, 4].map(() => call(18_000)));
  assert.deepEqual(answers.toSorted(), ['127.96.77.2 hi', '127.96.77.2 hi', '127.96.77.3 hi', '127.96.77.3 hi']);
  const large = 'x'.repeat(5_000_000);
  assert.equal((await call(18_000, large)).length, large.length + 12);
});

test('without endpoints it refuses at once; they come and go; a dead one is passed over', { skip }, async (t) => {
  const { put, server } = await cluster(t);
  await backend(t, '127.96.77.2');
  put(web(), slice('web', [], 18_080));
  await assert.rejects(call(18_000), { code: 'ECONNREFUSED' });
  put(slice('web', ['127.96.77.2', '127.96.77.4'], 18_080));
  await eventually(async () => assert.equal(await call(18_000), '127.96.77.2 hi'));
  assert.equal(await call(18_000), '127.96.77.2 hi');
  server.remove(services as Resource<any>, { namespace: 'ns', name: 'web' });
  await eventually(() => assert.rejects(call(18_000), { code: 'ECONNREFUSED' }));
});

test('callers who are there stay when the endpoints change or the Service goes', { skip }, async (t) => {
  const { put, server } = await cluster(t);
  await backend(t, '127.96.77.2');
  put(web(), slice('web', ['127.96.77.2'], 18_080));
  await eventually(async () => assert.equal(await call(18_000), '127.96.77.2 hi'));
  const socket = connect({ host: clusterIP, port: 18_000, allowHalfOpen: true });
  t.after(() => socket.destroy());
  const answer = new Promise<string>((resolve) => socket.on('data', (chunk) => resolve(String(chunk))));
  await new Promise<void>((resolve) => socket.write('before ', () => resolve()));
  await eventually(async () => assert.equal(await call(18_000), '127.96.77.2 hi'));
  server.remove(services as Resource<any>, { namespace: 'ns', name: 'web' });
  await eventually(() => assert.rejects(call(18_000), { code: 'ECONNREFUSED' }));
  socket.end('after');
  assert.equal(await answer, '127.96.77.2 before after');
});

test('session affinity keeps a caller with its endpoint', { skip }, async (t) => {
  const { put } = await cluster(t);
  await backend(t, '127.96.77.2');
  await backend(t, '127.96.77.3');
  put(web({ sessionAffinity: 'ClientIP' }), slice('web', ['127.96.77.2', '127.96.77.3'], 18_080));
  await eventually(() => call(18_000).then(() => {}));
  const answers = await Promise.all([1, 2, 3, 4].map(() => call(18_000)));
  assert.equal(new Set(answers).size, 1);
});

test('a node port listens where the node publishes', { skip }, async (t) => {
  const { put } = await cluster(t);
  await backend(t, '127.96.77.2');
  const ports = [{ name: 'http', port: 18_000, nodePort: 30_977 }];
  put(service('web', clusterIP, { type: 'NodePort' }, ports), slice('web', ['127.96.77.2'], 18_080));
  await eventually(async () => assert.equal(await call(30_977, 'hi', '127.96.77.1'), '127.96.77.2 hi'));
  await assert.rejects(call(30_977), { code: 'ECONNREFUSED' });
});

test('a port that somebody has is taken once it is free', { skip }, async (t) => {
  const { put } = await cluster(t);
  await backend(t, '127.96.77.2');
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(18_000, clusterIP, () => resolve()));
  put(web(), slice('web', ['127.96.77.2'], 18_080));
  await new Promise<void>((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => other.close(() => resolve()));
  await eventually(async () => assert.equal(await call(18_000), '127.96.77.2 hi'), 8000);
});

test('datagrams find their way there and back', { skip }, async (t) => {
  const { put } = await cluster(t);
  const echo = createSocket('udp4', (message, from) => echo.send(`echo ${message}`, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(18_053, '127.96.77.2', () => resolve()));
  const caller = createSocket('udp4');
  t.after(() => {
    echo.close();
    caller.close();
  });
  const ports = [{ name: 'dns', port: 18_001, protocol: 'UDP' as const }];
  put(
    service('dns', clusterIP, {}, ports),
    slice('dns', ['127.96.77.2'], { name: 'dns', protocol: 'UDP', port: 18_053 }),
  );
  const got: string[] = [];
  caller.on('message', (message) => got.push(String(message)));
  await eventually(async () => {
    caller.send('hello', 18_001, clusterIP);
    await systemClock.sleep(20);
    assert.ok(got.includes('echo hello'));
  });
});
