import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { test, type TestContext } from 'node:test';
import { fetchIn, inPod, insideNetns, scratch, serve } from '../netns.suite.ts';
import { type Run, run } from '../run.ts';
import { type BridgeOptions, bridgePodNetwork } from './bridge.ts';
import type { HostPort } from './podnetwork.ts';

async function network(t: TestContext, options: Partial<BridgeOptions> = {}) {
  const directory = options.directory ?? scratch(t);
  const pods = bridgePodNetwork({ directory, ...options });
  await pods.up();
  t.after(() => pods.down());
  return { pods, directory };
}

const port = (hostPort: number, hostIP = ''): HostPort => ({ containerPort: 80, hostPort, hostIP, protocol: 'TCP' });

insideNetns(import.meta.url, () => {
  // Both ways of the kernel: see `attachLines`.
  for (const filtered of ['0', '1']) {
    test(`a pod reaches itself by its host port (bridge-nf-call-iptables ${filtered})`, async (t) => {
      const setting = '/proc/sys/net/bridge/bridge-nf-call-iptables';
      if (existsSync(setting)) await writeFile(setting, filtered);
      else if (filtered === '1') return t.skip('this kernel has no br_netfilter');
      const { pods } = await network(t);
      const { netns } = await pods.add({ id: 'a', hostPorts: [port(8081, '10.244.0.1')] });
      const b = await pods.add({ id: 'b', hostPorts: [] });
      await serve(t, netns as string, 80, '');
      assert.equal(await fetchIn(netns, '10.244.0.1:8081'), '10.244.0.1');
      assert.equal(await fetchIn(b.netns, '10.244.0.1:8081'), '10.244.0.3');
    });
  }

  test('two pods reach each other by address, and the host reaches both', async (t) => {
    const { pods } = await network(t);
    const a = await pods.add({ id: 'a', hostPorts: [] });
    const b = await pods.add({ id: 'b', hostPorts: [] });
    assert.deepEqual([a.ips, b.ips], [['10.244.0.2'], ['10.244.0.3']]);
    await serve(t, b.netns as string, 80, 'from b');
    assert.equal(await fetchIn(a.netns, '10.244.0.3'), 'from b');
    assert.equal(await fetchIn(undefined, '10.244.0.3'), 'from b');
    assert.match(await inPod(a.netns, 'ip', '-br', 'address'), /lo +UNKNOWN +127\.0\.0\.1/);
  });

  test('adding again, also after a restart, finds the same pod', async (t) => {
    const { pods, directory } = await network(t);
    const first = await pods.add({ id: 'a', hostPorts: [port(8080)] });
    assert.deepEqual(await pods.add({ id: 'a', hostPorts: [port(8080)] }), first);
    await serve(t, first.netns as string, 80, 'still here');
    const later = (await network(t, { directory })).pods;
    assert.deepEqual(await later.check('a'), first);
    assert.deepEqual(await later.add({ id: 'a', hostPorts: [] }), first);
    assert.equal(await fetchIn(undefined, '10.244.0.2'), 'still here');
    assert.equal(await fetchIn(undefined, '127.0.0.1:8080'), 'still here');
  });

  test('a deleted pod is gone: its namespace, its link, its answer to check', async (t) => {
    const { pods } = await network(t);
    const { netns } = await pods.add({ id: 'a', hostPorts: [] });
    await pods.del('a');
    await pods.del('a');
    assert.equal(existsSync(netns as string), false);
    assert.equal(await pods.check('a'), undefined);
    assert.doesNotMatch(await inPod(undefined, 'ip', 'link'), /glv/);
  });

  test('a namespace that vanished is made anew', async (t) => {
    const { pods } = await network(t);
    await pods.add({ id: 'a', hostPorts: [] });
    await inPod(undefined, 'ip', 'netns', 'del', 'glass-a');
    assert.equal(await pods.check('a'), undefined);
    const again = await pods.add({ id: 'a', hostPorts: [] });
    assert.ok(existsSync(again.netns as string));
  });

  test('host ports answer on loopback, and on a named address; a second holder is refused', async (t) => {
    const { pods } = await network(t);
    const { netns } = await pods.add({ id: 'a', hostPorts: [port(8080), port(8081, '10.244.0.1')] });
    await serve(t, netns as string, 80, 'by host port');
    assert.equal(await fetchIn(undefined, '127.0.0.1:8080'), 'by host port');
    assert.equal(await fetchIn(undefined, '10.244.0.1:8081'), 'by host port');
    await assert.rejects(fetchIn(undefined, '10.244.0.1:8080'), 'published on loopback only');
    await assert.rejects(pods.add({ id: 'b', hostPorts: [port(8080)] }), /hostPort 8080\/TCP is held by sandbox a/);
    assert.equal(await pods.check('b'), undefined);
    await pods.del('a');
    await assert.rejects(fetchIn(undefined, '127.0.0.1:8080'));
  });

  test('a pod reaches the outside only when that was asked for, and the outside never reaches a pod or takes our ranges', async (t) => {
    const { pods, directory } = await network(t);
    const { netns } = await pods.add({ id: 'a', hostPorts: [] });
    // A stand-in for the uplink: another end in a namespace that this test owns.
    await inPod(undefined, 'ip', 'netns', 'add', 'outside');
    await inPod(undefined, 'ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
    t.after(() => inPod(undefined, 'ip', 'link', 'del', 'up0'));
    t.after(() => inPod(undefined, 'ip', 'netns', 'del', 'outside'));
    await inPod(undefined, 'ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'up0');
    await inPod(undefined, 'ip', 'link', 'set', 'up0', 'up');
    await inPod('/run/netns/outside', 'ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'eth0');
    await inPod('/run/netns/outside', 'ip', 'link', 'set', 'eth0', 'up');
    await inPod('/run/netns/outside', 'ip', 'route', 'add', 'default', 'via', '198.51.100.1');
    await inPod(undefined, 'ip', 'route', 'add', 'default', 'via', '198.51.100.2');
    await inPod('/run/netns/outside', 'ip', 'link', 'set', 'lo', 'up');
    await serve(t, '/run/netns/outside', 80, 'outside');
    assert.equal(await fetchIn(undefined, '198.51.100.2'), 'outside');
    await assert.rejects(fetchIn(netns, '198.51.100.2'), /ENETUNREACH/);
    await assert.rejects(fetchIn('/run/netns/outside', '10.244.0.1'));

    // Neither range takes the default route: nothing for them comes out at the far end.
    for (const address of ['10.244.7.7', '10.96.0.1']) {
      assert.doesNotMatch(
        await inPod(undefined, 'ip', 'route', 'show', 'match', address).catch(() => ''),
        /^(?!default).*up0/m,
      );
      await assert.rejects(fetchIn(undefined, address));
    }
    const { pods: again } = await network(t, { directory, masquerade: true });
    const b = await again.add({ id: 'b', hostPorts: [] });
    assert.equal(await fetchIn(b.netns, '198.51.100.2'), 'outside');
    assert.equal((await readFile('/proc/sys/net/ipv4/conf/up0/forwarding', 'utf8')).trim(), '1');
    await again.down();
    assert.equal((await readFile('/proc/sys/net/ipv4/conf/up0/forwarding', 'utf8')).trim(), '0');
  });

  test('down leaves nothing behind, and what is not ours alone', async (t) => {
    const before = [
      await inPod(undefined, 'ip', 'link'),
      await inPod(undefined, 'ip', 'route'),
      Object.keys(networkInterfaces()),
    ];
    await inPod(undefined, 'nft', 'add', 'table', 'inet', 'others');
    t.after(() => inPod(undefined, 'nft', 'delete', 'table', 'inet', 'others'));
    const { pods } = await network(t);
    await pods.add({ id: 'a', hostPorts: [port(8080)] });
    await pods.down();
    await pods.down();
    const after = [
      await inPod(undefined, 'ip', 'link'),
      await inPod(undefined, 'ip', 'route'),
      Object.keys(networkInterfaces()),
    ];
    assert.deepEqual(after, before);
    assert.equal(await inPod(undefined, 'nft', 'list', 'tables'), 'table inet others\n');
  });

  test('a range or a bridge name that is in use is refused with the way out', async (t) => {
    await inPod(undefined, 'ip', 'link', 'add', 'taken0', 'type', 'bridge');
    t.after(() => inPod(undefined, 'ip', 'link', 'del', 'taken0'));
    await inPod(undefined, 'ip', 'addr', 'add', '10.96.3.1/24', 'dev', 'taken0');
    await inPod(undefined, 'ip', 'link', 'set', 'taken0', 'up');
    const directory = scratch(t);
    await assert.rejects(
      bridgePodNetwork({ directory, bridge: 'taken0' }).up(),
      /"taken0" belongs to somebody else, .*choose another/,
    );
    await assert.rejects(
      bridgePodNetwork({ directory }).up(),
      /serviceCIDR: 10\.96\.0\.0\/16 is in use .*choose another range/,
    );
    assert.throws(() => bridgePodNetwork({ directory, podCIDR: '10.9.0.0/24' }), /must lie in clusterCIDR/);
    assert.throws(() => bridgePodNetwork({ directory, bridge: 'a;b' }), /not an interface name/);
  });

  test('many pods at once share process starts; one that cannot be made does not spoil the others', async (t) => {
    let starts = 0;
    const counting: Run = (command, args, options) => {
      starts++;
      return run(command, args, options);
    };
    const { pods } = await network(t, { run: counting });
    await inPod(undefined, 'ip', 'link', 'add', 'glv0af40005', 'type', 'bridge');
    starts = 0;
    const began = performance.now();
    const made = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => pods.add({ id: `p${i}`, hostPorts: [] })),
    );
    t.diagnostic(`20 pods at once: ${(performance.now() - began).toFixed(1)} ms`);
    // Its own clean-up removes what was in the way, so even that one comes to be.
    assert.deepEqual(
      made.map((result) => result.status),
      Array(20).fill('fulfilled'),
    );
    assert.throws(() => pods.add({ id: '../x', hostPorts: [] }), /sandbox id/);

    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const start = performance.now();
      starts = 0;
      await pods.add({ id: `q${i}`, hostPorts: [] });
      assert.equal(starts, 1);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    t.diagnostic(`one pod: median ${times[7]?.toFixed(1)} ms, max ${times[14]?.toFixed(1)} ms`);
  });
});
