import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { Informers, quiet } from '../../client/index.ts';
import { StubServer } from '../../client/testkit/server.ts';
import { type AnyObject, type Resource, seededRandom, systemClock } from '../../machinery/index.ts';
import { eventually, fetchIn, inPod, insideNetns, scratch, serve, start } from '../netns.suite.ts';
import { endpointSlices, type Service, services } from '../objects.ts';
import { bridgePodNetwork } from '../pods/bridge.ts';
import { type Run, run } from '../run.ts';
import { service, slice } from './fixtures.suite.ts';
import { kernelServices, removeServices } from './kernel.ts';

const serviceResource = services as Resource<any>;
const sliceResource = endpointSlices as Resource<any>;

async function cluster(t: TestContext, { runs = run as Run } = {}) {
  const server = new StubServer();
  const pods = bridgePodNetwork({ directory: scratch(t) });
  await pods.up();
  const stop = new AbortController();
  const informers = new Informers({
    client: server.client(),
    clock: systemClock,
    random: seededRandom(1),
    signal: stop.signal,
  });
  const begin = () =>
    kernelServices({
      informers,
      nodeName: 'here',
      clock: systemClock,
      random: seededRandom(1),
      log: quiet,
      run: runs,
      clusterCIDR: '10.244.0.0/16',
      serviceCIDR: '10.96.0.0/16',
      nodePortAddresses: ['127.0.0.0/8'],
    });
  const plane = begin();
  await plane.ready();
  t.after(async () => {
    await plane.teardown();
    stop.abort();
    await pods.down();
  });
  const put = (...objects: (AnyObject | Service)[]) => {
    for (const object of objects)
      server.put('addressType' in object ? sliceResource : serviceResource, object as AnyObject);
  };
  const pod = async (id: string, text?: string) => {
    const { netns = '' } = await pods.add({ id, hostPorts: [] });
    if (text !== undefined) await serve(t, netns, 8080, text);
    return netns;
  };
  return { server, put, pod, plane };
}

async function manyTimes(netns: string | undefined, address: string, times = 12): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: times }, () => fetchIn(netns, address)));
  return [...new Set(answers)].toSorted();
}

const ip = (i: number) => `10.96.${1 + Math.floor(i / 200)}.${1 + (i % 200)}`;

insideNetns(import.meta.url, () => {
  for (const filtered of ['0', '1']) {
    test(`a ClusterIP answers pods, the endpoints themselves, and the host (bridge-nf-call-iptables ${filtered})`, async (t) => {
      await writeFile('/proc/sys/net/bridge/bridge-nf-call-iptables', filtered).catch(() => {});
      const { put, pod } = await cluster(t);
      const a = await pod('a', 'a');
      await pod('b', 'b');
      const caller = await pod('caller');
      put(service('web', '10.96.0.9'), slice('web', ['10.244.0.2', '10.244.0.3']));
      await eventually(async () => assert.match(await fetchIn(caller, '10.96.0.9'), /a|b/));
      assert.deepEqual(await manyTimes(caller, '10.96.0.9'), ['a', 'b']);
      assert.deepEqual(await manyTimes(a, '10.96.0.9'), ['a', 'b']);
      assert.deepEqual(await manyTimes(undefined, '10.96.0.9'), ['a', 'b']);
    });
  }

  test('an address or a port that no Service has, or one without endpoints, is refused at once', async (t) => {
    const { put, pod } = await cluster(t);
    const caller = await pod('caller');
    const ports = [{ name: 'http', port: 80, nodePort: 30080 }];
    put(service('web', '10.96.0.9', { type: 'NodePort' }, ports), slice('web', []));
    const began = performance.now();
    await eventually(() => assert.rejects(fetchIn(undefined, '127.0.0.1:30080'), /ECONNREFUSED/));
    for (const from of [caller, undefined]) {
      for (const address of ['10.96.0.9', '10.96.0.9:81', '10.96.7.7']) {
        await assert.rejects(fetchIn(from, address), /ECONNREFUSED/);
      }
    }
    assert.ok(performance.now() - began < 4000);
  });

  test('endpoints come and go; the last one terminating still answers; a deleted Service is refused', async (t) => {
    const { put, pod, server } = await cluster(t);
    await pod('a', 'a');
    await pod('b', 'b');
    put(service('web', '10.96.0.9'), slice('web', ['10.244.0.2']));
    await eventually(async () => assert.equal(await fetchIn(undefined, '10.96.0.9'), 'a'));
    put(slice('web', ['10.244.0.2!', '10.244.0.3']));
    await eventually(async () => assert.deepEqual(await manyTimes(undefined, '10.96.0.9', 4), ['b']));
    put(slice('web', ['10.244.0.2~']));
    await eventually(async () => assert.deepEqual(await manyTimes(undefined, '10.96.0.9', 4), ['a']));
    server.remove(serviceResource, { namespace: 'ns', name: 'web' });
    await eventually(() => assert.rejects(fetchIn(undefined, '10.96.0.9'), /ECONNREFUSED/));
  });

  test('node ports answer on loopback alone; an external address answers pods and the host', async (t) => {
    const { put, pod } = await cluster(t);
    await pod('a', 'a');
    const caller = await pod('caller');
    const ports = [{ name: 'http', port: 80, nodePort: 30080 }];
    put(
      service('web', '10.96.0.9', { type: 'NodePort', externalIPs: ['198.51.100.9'] }, ports),
      slice('web', ['10.244.0.2']),
    );
    await inPod(undefined, 'ip', 'route', 'add', '198.51.100.0/24', 'dev', 'glass0');
    await eventually(async () => assert.equal(await fetchIn(undefined, '127.0.0.1:30080'), 'a'));
    await assert.rejects(fetchIn(caller, '10.244.0.1:30080'), /ECONNREFUSED/);
    assert.equal(await fetchIn(caller, '198.51.100.9'), 'a');
    assert.equal(await fetchIn(undefined, '198.51.100.9'), 'a');
  });

  test('session affinity keeps a caller with its endpoint, also while others change, until that one goes', async (t) => {
    const { put, pod } = await cluster(t);
    for (const name of ['a', 'b', 'c']) await pod(name, name);
    const caller = await pod('caller');
    put(service('web', '10.96.0.9', { sessionAffinity: 'ClientIP' }), slice('web', ['10.244.0.2', '10.244.0.3']));
    await eventually(async () => assert.match(await fetchIn(caller, '10.96.0.9'), /a|b/));
    const [first = '', ...more] = await manyTimes(caller, '10.96.0.9');
    assert.deepEqual(more, []);
    const kept = first === 'a' ? '10.244.0.2' : '10.244.0.3';
    put(slice('web', [kept, '10.244.0.4']));
    await inPod(undefined, 'sleep', '0.2');
    assert.deepEqual(await manyTimes(caller, '10.96.0.9'), [first]);
    put(slice('web', ['10.244.0.4']));
    await eventually(async () => assert.deepEqual(await manyTimes(caller, '10.96.0.9', 3), ['c']));
  });

  test('a source range keeps others out', async (t) => {
    const { put, pod } = await cluster(t);
    await pod('a', 'a');
    const [friend, stranger] = [await pod('friend'), await pod('stranger')];
    put(
      {
        ...service('web', '10.96.0.9', { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.244.0.3/32'] }),
        status: { loadBalancer: { ingress: [{ ip: '10.96.200.1' }] } },
      },
      slice('web', ['10.244.0.2']),
    );
    await eventually(async () => assert.equal(await fetchIn(friend, '10.96.200.1'), 'a'));
    await assert.rejects(fetchIn(stranger, '10.96.200.1'), /ETIMEDOUT/);
    assert.equal(await fetchIn(stranger, '10.96.0.9'), 'a');
  });

  test('datagrams reach a UDP Service', async (t) => {
    const { put, pod } = await cluster(t);
    const netns = await pod('a');
    const echo =
      "const s=require('node:dgram').createSocket('udp4');s.on('message',(m,r)=>s.send('echo '+m,r.port,r.address));s.bind(5353)";
    start(t, netns, process.execPath, '-e', echo);
    const ports = [{ name: 'dns', port: 53, protocol: 'UDP' as const }];
    put(
      service('dns', '10.96.0.10', {}, ports),
      slice('dns', ['10.244.0.2'], { name: 'dns', protocol: 'UDP', port: 5353 }),
    );
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    const answer = Promise.withResolvers<string>();
    socket.on('message', (message) => answer.resolve(String(message)));
    socket.on('error', () => {});
    await eventually(async () => {
      socket.send('hello', 53, '10.96.0.10');
      assert.equal(await Promise.race([answer.promise, systemClock.sleep(100)]), 'echo hello');
    });
  });

  test('a transaction that is refused is made good by making the table anew', async (t) => {
    const { put, pod } = await cluster(t);
    await pod('a', 'a');
    put(service('web', '10.96.0.9'), slice('web', ['10.244.0.2']));
    await eventually(async () => assert.equal(await fetchIn(undefined, '10.96.0.9'), 'a'));
    await inPod(undefined, 'nft', 'flush', 'map', 'inet', 'glasshouse', 'services');
    await assert.rejects(fetchIn(undefined, '10.96.0.9'), /ECONNREFUSED/);
    put(service('other', '10.96.0.8'), slice('other', ['10.244.0.2']), slice('web', []), slice('web', ['10.244.0.2']));
    put(slice('web', []));
    await eventually(async () => assert.equal(await fetchIn(undefined, '10.96.0.8'), 'a'));
    put(slice('web', ['10.244.0.2']));
    await eventually(async () => assert.equal(await fetchIn(undefined, '10.96.0.9'), 'a'));
  });

  test('two thousand Services load in one go, and a change among them is quick', async (t) => {
    let last = 0;
    const timed: Run = async (...args) => {
      const began = performance.now();
      const out = await run(...args);
      last = performance.now() - began;
      return out;
    };
    const { put, pod } = await cluster(t, { runs: timed });
    await pod('a', 'a');
    const began = performance.now();
    for (let i = 0; i < 2000; i++) put(service(`s${i}`, ip(i)), slice(`s${i}`, ['10.244.0.2', '10.244.3.3@there']));
    await eventually(async () => assert.equal(await fetchIn(undefined, ip(1999)), 'a'), 20_000);
    t.diagnostic(`2,000 Services: ${Math.round(performance.now() - began)} ms`);
    put(slice('s7', ['10.244.0.2']));
    await eventually(async () => assert.deepEqual(await manyTimes(undefined, ip(7), 3), ['a']));
    t.diagnostic(`one change among them: ${last.toFixed(1)} ms in nft`);
  });

  test('what a process left is removed without one, and again', async (t) => {
    const { plane } = await cluster(t);
    await plane.stop();
    assert.match(await inPod(undefined, 'nft', 'list', 'tables'), /glasshouse$/m);
    await removeServices();
    await removeServices();
    assert.doesNotMatch(await inPod(undefined, 'nft', 'list', 'tables'), /glasshouse$/m);
  });

  test('teardown leaves no table', async (t) => {
    const { plane } = await cluster(t);
    await plane.teardown();
    assert.doesNotMatch(await inPod(undefined, 'nft', 'list', 'tables'), /glasshouse$/m);
  });
});
