/** A real application: servers that nobody wrote for this, as Deployments that look after each other, under load. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PatchStrategy } from '@kubernetes/client-node';
import { eventually, type Glass, startGlass } from '../testkit/glass.ts';
import { inside, onPath } from '../testkit/inside.ts';
import { ask, type Load, startLoad } from '../testkit/load.ts';
import {
  type Cluster,
  clientOf,
  clusterDns,
  createAll,
  identities,
  importImages,
  kubectl,
  namespace,
  podsOf,
  rolledOut,
  talk,
} from './realapp/cluster.ts';

const programs = ['crun', 'busybox', 'ldd', 'nginx', 'redis-check-rdb', 'redis-cli', 'webdis', 'memcached'];
const deployments = ['redis', 'cache', 'api', 'front'];

inside(import.meta.url, programs, 400, () => {
  describe('a shop of nginx, webdis, redis and memcached', () => {
    let glass: Glass;
    let cluster: Cluster;
    let url: string;
    /** What the counter in redis must be: raised once by each request that was answered. */
    let hits = 0;
    const scratch = mkdtempSync(join(tmpdir(), 'glass-shop-'));

    before(async () => {
      glass = await startGlass({ runtime: 'oci' });
      cluster = clientOf(glass);
      await importImages(glass, scratch);
      await createAll(cluster);
      for (const name of deployments) await rolledOut(cluster, name);
      const { spec } = await cluster.core.readNamespacedService({ namespace, name: 'front' });
      url = `http://${spec!.clusterIP}`;
    });
    after(async () => {
      await glass?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    const body = async (path: string) => (await ask(new URL(path, url))).body;
    const counted = async () => Number(JSON.parse(await body('/api/GET/hits')).GET ?? 0);
    const begin = async () => {
      hits = await counted();
      return startLoad(url, [
        { path: '/', answer: /^release \d at front-[\w-]+\n$/ },
        { path: '/api/INCR/hits', answer: /^\{"INCR":\d+\}$/ },
        { path: '/cache/greeting', answer: /^good day$/ },
      ]);
    };
    /** Ends the load: nothing failed, and what was answered really happened, once. */
    const settle = async (load: Load, least: number) => {
      await load.stop();
      assert.deepEqual(load.failures, []);
      const raised = load.answered.get('/api/INCR/hits') ?? 0;
      const all = [...load.answered.values()].reduce((sum, count) => sum + count, 0);
      assert.ok(all >= least, `only ${all} requests were answered`);
      hits += raised;
      assert.equal(await counted(), hits);
    };
    const patch = (name: string, spec: object) =>
      cluster.objects.patch(
        { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace }, spec } as never,
        undefined,
        undefined,
        undefined,
        undefined,
        PatchStrategy.StrategicMergePatch,
      );
    const scale = async (name: string, replicas: number) => {
      const body = await cluster.apps.readNamespacedDeploymentScale({ namespace, name });
      body.spec = { replicas };
      await cluster.apps.replaceNamespacedDeploymentScale({ namespace, name, body });
    };

    test('the services find each other, and the front answers for all of them', async () => {
      const { spec } = await cluster.core.readNamespacedService({ namespace, name: 'cache' });
      const stored = await talk(spec!.clusterIP!, 11211, 'set /cache/greeting 0 0 8\r\ngood day\r\n', /\r\n/);
      assert.equal(stored, 'STORED\r\n');
      assert.equal(await body('/cache/greeting'), 'good day');
      assert.match(await body('/'), /^release 1 at front-/);
      assert.deepEqual(JSON.parse(await body('/api/SET/hits/0')), { SET: [true, 'OK'] });
      const front = await cluster.core.readNamespacedService({ namespace, name: 'front' });
      const node = await ask(new URL(`http://127.0.0.1:${front.spec!.ports![0]!.nodePort}/healthz`));
      assert.deepEqual(node, { status: 200, body: 'ok\n' });
    });

    test('redis answers to its password only, and the init containers waited for it', async () => {
      const [redis] = await podsOf(cluster, 'redis');
      const refused = await talk(redis!.status!.podIP!, 6379, 'GET hits\r\n', /\r\n/);
      assert.match(refused, /^-NOAUTH/);
      for (const { status } of await podsOf(cluster, 'api')) {
        const waited = status!.initContainerStatuses![0]!;
        assert.equal(waited.state?.terminated?.reason, 'Completed');
        const ready = redis!.status!.conditions!.find(({ type }) => type === 'Ready')!;
        assert.ok(waited.state!.terminated!.finishedAt!.getTime() >= ready.lastTransitionTime!.getTime());
      }
    });

    test('headless services name the pods themselves', async () => {
      const dns = clusterDns();
      const fronts = (await podsOf(cluster, 'front')).map(({ status }) => status!.podIP!);
      assert.deepEqual((await dns.resolve4('front-pods.shop.svc.cluster.local')).sort(), fronts.sort());
      const [record, ...more] = await dns.resolveSrv('_redis._tcp.redis.shop.svc.cluster.local');
      assert.deepEqual(more, []);
      assert.equal(record!.port, 6379);
      const [redis] = await podsOf(cluster, 'redis');
      assert.deepEqual(await dns.resolve4(record!.name), [redis!.status!.podIP]);
    });

    test('a new release rolls out under load, and no request fails', async () => {
      const first = await cluster.core.readNamespacedConfigMap({ namespace, name: 'front-1' });
      const text = first.data!['nginx.conf']!.replace('release 1', 'release 2');
      const metadata = { name: 'front-2', namespace };
      await cluster.core.createNamespacedConfigMap({ namespace, body: { metadata, data: { 'nginx.conf': text } } });
      await using load = await begin();
      await eventually(() => (load.answered.get('/') ?? 0) > 50);
      const volumes = [{ name: 'config', configMap: { name: 'front-2' } }];
      await patch('front', { template: { spec: { volumes } } });
      await rolledOut(cluster, 'front');
      await using late = startLoad(url, [{ path: '/', answer: /^release 2 / }], { clients: 2 });
      await eventually(() => (late.answered.get('/') ?? 0) > 20);
      await late.stop();
      assert.deepEqual(late.failures, [], 'the old release answers no more');
      await settle(load, 500);
      const releases = new Set([...load.bodies.get('/')!].map((line) => line.slice(0, 9)));
      assert.deepEqual([...releases].toSorted(), ['release 1', 'release 2']);
    });

    test('the API behind it rolls out under the same load', async () => {
      await using load = await begin();
      await patch('api', { template: { metadata: { annotations: { release: '2' } } } });
      await rolledOut(cluster, 'api');
      await settle(load, 300);
    });

    test('more and fewer pods under load: all of them answer, and no request fails', async () => {
      await using load = await begin();
      await scale('front', 5);
      await rolledOut(cluster, 'front');
      const names = (await podsOf(cluster, 'front')).map(({ metadata }) => metadata!.name!);
      await eventually(() => names.every((name) => load.bodies.get('/')?.has(`release 2 at ${name}`)));
      await scale('front', 2);
      await rolledOut(cluster, 'front');
      await settle(load, 500);
    });

    test('a crash is healed: the container is started again in the same pod, with the data that it kept', async () => {
      const [before] = await podsOf(cluster, 'redis');
      hits = await counted();
      const auth = 'AUTH correct-horse-battery\r\nDEBUG SEGFAULT\r\n';
      await talk(before!.status!.podIP!, 6379, auth, /never/);
      const after = await eventually(async () => {
        const [pod] = await podsOf(cluster, 'redis');
        const status = pod!.status!.containerStatuses![0]!;
        return status.restartCount === 1 && status.ready ? pod : undefined;
      });
      assert.equal(after.metadata!.uid, before!.metadata!.uid);
      assert.equal(after.status!.podIP, before!.status!.podIP);
      const last = after.status!.containerStatuses![0]!.lastState!.terminated!;
      assert.equal(last.exitCode, 139);
      assert.equal(last.reason, 'Error');
      await eventually(async () => (await counted()) === hits);
      for (const name of deployments) await rolledOut(cluster, name);
    });

    test('the server is killed: the shop stays open, and nothing is doubled or started again', async () => {
      const before = identities(await podsOf(cluster));
      await using load = await begin();
      await eventually(() => (load.answered.get('/') ?? 0) > 20);
      await glass.kill('SIGKILL');
      const then = load.answered.get('/')!;
      await eventually(() => load.answered.get('/')! > then + 50);
      await glass.again();
      cluster = clientOf(glass);
      for (const name of deployments) await rolledOut(cluster, name);
      const again = load.answered.get('/')!;
      await eventually(() => load.answered.get('/')! > again + 50);
      await settle(load, 200);
      assert.deepEqual(identities(await podsOf(cluster)), before);
    });

    test('and it goes on deploying after that', async () => {
      await using load = await begin();
      await scale('front', 3);
      await rolledOut(cluster, 'front');
      await settle(load, 20);
    });

    test('kubectl reads logs, runs programs, copies files and forwards ports', async (t) => {
      if (!onPath('kubectl')) return t.skip('kubectl is not on the PATH');
      const [redis] = await podsOf(cluster, 'redis');
      const name = redis!.metadata!.name!;
      assert.match(await kubectl(glass, 'logs', name), /Ready to accept connections/);
      assert.match(await kubectl(glass, 'logs', name, '--previous'), /crashed by signal: 11/);
      const [front] = await podsOf(cluster, 'front');
      const untouched = front!.metadata!.name!;
      await assert.rejects(
        kubectl(glass, 'logs', untouched, '-c', 'nginx', '--previous'),
        (error: { stderr: string }) => {
          const told = `Error from server (BadRequest): previous terminated container "nginx" in pod "${untouched}" not found`;
          assert.equal(error.stderr.trim(), told);
          return true;
        },
      );
      const fronts = await kubectl(glass, 'logs', '-l', 'app=front', '--tail=3', '--prefix');
      assert.match(fronts, /\[pod\/front-[\w-]+\/nginx\] .*"GET \/.* HTTP\/1\.1" 200 /);
      assert.equal((await kubectl(glass, 'exec', name, '--', 'redis-cli', 'get', 'hits')).trim(), String(hits));

      const file = join(scratch, 'list');
      writeFileSync(file, 'apples\npears\n');
      await kubectl(glass, 'cp', file, `${name}:/data/list`);
      await kubectl(glass, 'cp', `${name}:/data/list`, `${file}.back`);
      assert.equal(readFileSync(`${file}.back`, 'utf8'), 'apples\npears\n');

      const args = ['--kubeconfig', glass.kubeconfig, '-n', namespace, 'port-forward', 'deployment/redis', ':6379'];
      const forward = spawn('kubectl', args);
      let printed = '';
      forward.stdout.on('data', (chunk) => (printed += chunk));
      forward.stderr.on('data', (chunk) => (printed += chunk));
      try {
        const port = await eventually(() => /127\.0\.0\.1:(\d+) -> 6379/.exec(printed)?.[1], 10);
        const said = await talk('127.0.0.1', Number(port), 'AUTH correct-horse-battery\r\nGET hits\r\n', /\d\r\n$/);
        assert.equal(said, `+OK\r\n$${String(hits).length}\r\n${hits}\r\n`);
      } finally {
        forward.kill();
      }
    });

    test('deleting the namespace ends everything', async () => {
      await cluster.core.deleteNamespace({ name: namespace });
      await eventually(async () => {
        const { items } = await cluster.core.listNamespace();
        return !items.some(({ metadata }) => metadata!.name === namespace);
      });
      assert.deepEqual(await podsOf(cluster), []);
      await assert.rejects(ask(new URL(url)));
    });
  });
});
