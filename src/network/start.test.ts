import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { test, type TestContext } from 'node:test';
import { StubServer } from '../client/testkit/server.ts';
import { type AnyObject, type Resource, seededRandom, systemClock } from '../machinery/index.ts';
import { eventually, fetchIn, inPod, insideNetns, scratch, serve } from './netns.suite.ts';
import { endpointSlices, services } from './objects.ts';
import { service, slice } from './services/fixtures.suite.ts';
import { type NetworkOptions, startNetwork } from './start.ts';

async function network(
  t: TestContext,
  mode: NetworkOptions['mode'],
  server = new StubServer(),
  more: Partial<NetworkOptions> = {},
) {
  const started = await startNetwork({
    client: server.client(),
    clock: systemClock,
    random: seededRandom(1),
    mode,
    directory: scratch(t),
    nodeName: 'here',
    nameservers: [],
    ...more,
  });
  await started.ready();
  t.after(() => started.teardown());
  return started;
}

const put = (server: StubServer, ...objects: object[]) => {
  for (const object of objects)
    server.put(('addressType' in object ? endpointSlices : services) as Resource<any>, object as AnyObject);
};

const lookup = `
const { Resolver } = require('node:dns').promises;
const resolver = new Resolver({ tries: 1, timeout: 2000 });
resolver.setServers([process.argv[1]]);
resolver.resolve4(process.argv[2]).then((found) => console.log(found.join()), (error) => { console.error(error.code); process.exitCode = 1; });
`;

insideNetns(import.meta.url, () => {
  test('kernel: a pod finds a Service by name and reaches it; the cluster’s DNS is a Service itself', async (t) => {
    const server = new StubServer();
    const { podNetwork, dnsAddress, resolvConfFor } = await network(t, 'kernel', server);
    assert.deepEqual(dnsAddress, { ip: '10.244.0.1', port: 53 });
    const conf = resolvConfFor({ metadata: { name: 'p', namespace: 'ns' } });
    assert.deepEqual(conf.nameservers, ['10.244.0.1']);
    const backend = await podNetwork.add({ id: 'backend', hostPorts: [] });
    const caller = await podNetwork.add({ id: 'caller', hostPorts: [] });
    await serve(t, backend.netns as string, 8080, 'found');
    const dns = service('kube-dns', '10.96.0.10', {}, [{ name: 'dns', port: 53, protocol: 'UDP' }]);
    put(server, dns, slice('kube-dns', [dnsAddress.ip], { name: 'dns', protocol: 'UDP', port: 53 }));
    put(server, service('web', '10.96.0.9'), slice('web', backend.ips));
    for (const nameserver of ['10.244.0.1', '10.96.0.10']) {
      for (const from of [caller.netns, undefined]) {
        await eventually(async () => {
          assert.equal(
            (await inPod(from, process.execPath, '-e', lookup, nameserver, 'web.ns.svc.cluster.local')).trim(),
            '10.96.0.9',
          );
        });
      }
    }
    assert.equal(await fetchIn(caller.netns, '10.96.0.9'), 'found');
  });

  test('kernel: Services and pods go on answering while the process is away, and are found again', async (t) => {
    const server = new StubServer();
    const directory = scratch(t);
    const first = await network(t, 'kernel', server, { directory });
    const pod = await first.podNetwork.add({ id: 'a', hostPorts: [] });
    await serve(t, pod.netns as string, 8080, 'still');
    put(server, service('web', '10.96.0.9'), slice('web', pod.ips));
    await eventually(async () => assert.equal(await fetchIn(undefined, '10.96.0.9'), 'still'));
    await first.stop();
    assert.equal(await fetchIn(undefined, '10.96.0.9'), 'still');
    const second = await network(t, 'kernel', server, { directory });
    assert.deepEqual(await second.podNetwork.check('a'), pod);
    assert.equal(await fetchIn(undefined, '10.96.0.9'), 'still');
    await second.teardown();
    assert.equal(await inPod(undefined, 'nft', 'list', 'tables'), '');
    assert.doesNotMatch(await inPod(undefined, 'ip', 'link'), /glass0|glv/);
    assert.equal(await inPod(undefined, 'ip', 'route'), '');
  });

  test('userspace: names and addresses on loopback', async (t) => {
    const server = new StubServer();
    const { podNetwork, dnsAddress, resolvConfFor } = await network(t, 'userspace', server);
    const { ips, netns } = await podNetwork.add({ id: 'a', hostPorts: [] });
    assert.deepEqual([ips, netns], [['127.244.0.2'], undefined]);
    assert.deepEqual(await podNetwork.add({ id: 'a', hostPorts: [] }), { ips });
    assert.deepEqual(resolvConfFor({ metadata: { namespace: 'ns' } }).nameservers, ['127.96.0.10']);
    put(server, service('web', '127.96.0.9'));
    const resolver = new Resolver({ tries: 1, timeout: 2000 });
    resolver.setServers([`${dnsAddress.ip}:${dnsAddress.port}`]);
    await eventually(async () => assert.deepEqual(await resolver.resolve4('web.ns.svc.cluster.local'), ['127.96.0.9']));
    await podNetwork.del('a');
    assert.equal(await podNetwork.check('a'), undefined);
  });

  test('userspace: the Service of the cluster’s own DNS is not listened for a second time', async (t) => {
    const server = new StubServer();
    const told: string[] = [];
    const log = {
      debug() {},
      info() {},
      warn: (_: object, text: string) => told.push(text),
      error: (_: object, text: string) => told.push(text),
    };
    const { dnsAddress } = await network(t, 'userspace', server, { log });
    const dns = service('kube-dns', dnsAddress.ip, {}, [{ name: 'dns', port: 53, protocol: 'UDP' }]);
    put(server, dns, slice('kube-dns', [dnsAddress.ip], { name: 'dns', protocol: 'UDP', port: dnsAddress.port }));
    const resolver = new Resolver({ tries: 1, timeout: 2000 });
    resolver.setServers([`${dnsAddress.ip}:${dnsAddress.port}`]);
    await eventually(async () =>
      assert.deepEqual(await resolver.resolve4('kube-dns.ns.svc.cluster.local'), [dnsAddress.ip]),
    );
    await systemClock.sleep(50);
    assert.deepEqual(told, []);
  });
});
