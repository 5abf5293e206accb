import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Backoff, formatDuration } from './backoff.ts';
import { podDns } from './dns.ts';
import { fieldValue, resourceValue } from './downward.ts';
import { makeEnv } from './env.ts';
import { expand } from './expand.ts';
import { authsOf, policyOf } from './imagepull.ts';
import type { Container, Pod, Service } from './kinds.ts';
import { Prober } from './probes/prober.ts';
import { containerResources, oomScoreAdj, podRequests, qosClass } from './resources.ts';
import { shouldRestart } from './restart.ts';
import { hostsFile } from './runtime/podfiles.ts';
import { fqdnOf, hostnameOf } from './sandbox.ts';
import { securityOf } from './security.ts';
import { serviceEnv } from './servicelinks.ts';
import { refusePod } from './steps/admission.ts';
import { settle, virtualClock } from './testkit/clock.ts';
import { writeAtomically } from './volumes/atomic.ts';
import { resolveSubPath } from './volumes/subpath.ts';

const facts = { podIPs: ['10.0.0.2'], hostIPs: ['192.0.2.1'], allocatable: { cpu: '4', memory: '8Gi' } };
const podOf = (spec: object, metadata: object = {}): Pod =>
  ({
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', ...metadata },
    spec: { containers: [], ...spec },
  }) as unknown as Pod;
const containerOf = (more: object): Container => ({ name: 'c', ...more });

test('references to variables are expanded, and what is not one stays', () => {
  const lookup = (name: string) => ({ A: 'a', B: 'b c', '': 'empty' })[name];
  const table: [string, string][] = [
    ['$(A)', 'a'],
    ['x$(A)-$(B)y', 'xa-b cy'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$$$$(A)', '$$(A)'],
    ['$(MISSING)', '$(MISSING)'],
    ['$(A', '$(A'],
    ['$A', '$A'],
    ['$', '$'],
    ['a$', 'a$'],
    ['$$', '$'],
    ['$($(A))', '$($(A))'],
    ['plain', 'plain'],
  ];
  for (const [text, expected] of table) assert.equal(expand(text, lookup), expected, text);
});

test('the environment: own values win, references see what comes before, Services come last', async () => {
  const env = await makeEnv(
    podOf({}),
    containerOf({
      envFrom: [
        { prefix: 'P_', configMapRef: { name: 'cm' } },
        { secretRef: { name: 's' } },
        { configMapRef: { name: 'none', optional: true } },
      ],
      env: [
        { name: 'a', value: 'own' },
        { name: 'REF', value: '$(P_x)/$(a)/$(DB_SERVICE_HOST)/$(LATER)' },
        { name: 'LATER', value: 'l' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'KEY', valueFrom: { secretKeyRef: { name: 's', key: 'none', optional: true } } },
      ],
    }),
    facts,
    new Map([
      ['DB_SERVICE_HOST', '10.1.1.1'],
      ['a', 'service'],
    ]),
    {
      configMap: async (_namespace, name) => {
        if (name !== 'cm')
          throw (await import('../machinery/index.ts')).StatusError.notFound(
            { group: '', resource: 'configmaps' },
            name,
          );
        return { metadata: {}, data: { x: '1' } };
      },
      secret: async () => ({ metadata: {}, data: { a: Buffer.from('secret').toString('base64') } }),
    },
  );
  assert.deepEqual(Object.fromEntries(env.map(({ name, value }) => [name, value])), {
    P_x: '1',
    a: 'own',
    REF: '1/own/10.1.1.1/$(LATER)',
    LATER: 'l',
    IP: '10.0.0.2',
    DB_SERVICE_HOST: '10.1.1.1',
  });
});

test('the downward API', () => {
  const pod = podOf(
    { nodeName: 'n1', serviceAccountName: 'sa' },
    { labels: { app: 'web', b: 'q"' }, annotations: { 'x/y': 'z' } },
  );
  assert.equal(fieldValue(pod, "metadata.labels['app']", facts), 'web');
  assert.equal(fieldValue(pod, 'metadata.labels', facts), 'app="web"\nb="q\\""');
  assert.equal(fieldValue(pod, "metadata.annotations['x/y']", facts), 'z');
  assert.equal(fieldValue(pod, 'status.hostIP', facts), '192.0.2.1');
  assert.throws(() => fieldValue(pod, 'spec.containers', facts), /unsupported fieldPath: spec\.containers/);
  const container = containerOf({ resources: { limits: { memory: '64Mi' }, requests: { cpu: '250m' } } });
  assert.equal(resourceValue(pod, container, { resource: 'limits.memory' }, facts), String(64 * 1024 * 1024));
  assert.equal(resourceValue(pod, container, { resource: 'limits.memory', divisor: '1Mi' }, facts), '64');
  assert.equal(resourceValue(pod, container, { resource: 'requests.cpu' }, facts), '1');
  assert.equal(resourceValue(pod, container, { resource: 'requests.cpu', divisor: '1m' }, facts), '250');
  assert.equal(
    resourceValue(pod, container, { resource: 'limits.cpu' }, facts),
    '4',
    'without a limit, what the node has',
  );
});

test('Services become variables: those of the namespace, and the API itself', () => {
  const service = (name: string, namespace: string, clusterIP: string): Service =>
    ({
      metadata: { name, namespace },
      spec: { clusterIP, ports: [{ port: 80, name: 'http', protocol: 'TCP' }] },
    }) as unknown as Service;
  const all = [
    service('kubernetes', 'default', '10.1.0.1'),
    service('my-db', 'shop', '10.1.0.2'),
    service('other', 'else', '10.1.0.3'),
    service('headless', 'shop', 'None'),
  ];
  const env = serviceEnv(podOf({}), all);
  assert.equal(env.get('MY_DB_SERVICE_PORT_HTTP'), '80');
  assert.equal(env.get('MY_DB_PORT_80_TCP'), 'tcp://10.1.0.2:80');
  assert.equal(env.get('KUBERNETES_SERVICE_HOST'), '10.1.0.1');
  assert.ok(![...env.keys()].some((name) => /OTHER|HEADLESS/.test(name)));
  assert.ok(!serviceEnv(podOf({ enableServiceLinks: false }), all).has('MY_DB_SERVICE_HOST'));
});

test('quality of service', () => {
  const full = { limits: { cpu: '1', memory: '1Gi' } };
  const table: [string, object[]][] = [
    ['BestEffort', [{}]],
    ['Guaranteed', [{ resources: full }]],
    ['Guaranteed', [{ resources: { ...full, requests: { cpu: '1000m', memory: '1024Mi' } } }]],
    ['Burstable', [{ resources: full }, {}]],
    ['Burstable', [{ resources: { requests: { cpu: '1' } } }]],
    ['Burstable', [{ resources: { ...full, requests: { cpu: '500m' } } }]],
  ];
  for (const [expected, containers] of table)
    assert.equal(qosClass(podOf({ containers })), expected, JSON.stringify(containers));
});

test("limits in the kernel's units", () => {
  const container = containerOf({
    resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '250m', memory: '4Gi' } },
  });
  const resources = containerResources(podOf({ containers: [container] }), container, 8 * 2 ** 30);
  assert.deepEqual(resources, {
    cpuShares: 256,
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    memoryLimit: 64 * 2 ** 20,
    oomScoreAdj: 500,
  });
  assert.equal(oomScoreAdj(podOf({ containers: [{}] }), containerOf({}), 1), 1000);
});

test('what a pod takes: its init containers one by one, sidecars all along', () => {
  const cpu = (amount: string, more: object = {}) => ({ resources: { requests: { cpu: amount } }, ...more });
  assert.equal(podRequests(podOf({ initContainers: [cpu('3')], containers: [cpu('1'), cpu('1')] })).cpu, 3);
  const pod = podOf({
    initContainers: [cpu('1', { restartPolicy: 'Always' }), cpu('3')],
    containers: [cpu('2')],
    overhead: { cpu: '100m' },
  });
  assert.ok(Math.abs((podRequests(pod).cpu ?? 0) - 4.1) < 1e-9);
});

test("restart rules: the container's own, then its policy, then the pod's", () => {
  const always = podOf({ restartPolicy: 'Always', initContainers: [{ name: 'init' }] });
  const never = podOf({ restartPolicy: 'Never' });
  assert.equal(shouldRestart(always, containerOf({}), 0), true);
  assert.equal(shouldRestart(always, containerOf({ name: 'init' }), 0), false);
  assert.equal(shouldRestart(never, containerOf({}), 1), false);
  assert.equal(shouldRestart(podOf({ restartPolicy: 'OnFailure' }), containerOf({}), 0), false);
  const rule = { action: 'Restart', exitCodes: { operator: 'In', values: [42] } };
  assert.equal(shouldRestart(never, containerOf({ restartPolicyRules: [rule] }), 42), true);
  assert.equal(shouldRestart(never, containerOf({ restartPolicyRules: [rule] }), 43), false);
});

test('back-off doubles to five minutes, and is forgotten after ten', async () => {
  const clock = virtualClock();
  const backoff = new Backoff(clock);
  const waits: number[] = [];
  for (let i = 0; i < 7; i++) {
    backoff.next('a', clock.now());
    waits.push(backoff.get('a') / 1000);
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300]);
  const since = clock.now();
  assert.equal(backoff.until('a', since), since + 300_000);
  await clock.advance(600_001);
  assert.equal(backoff.until('a', clock.now()), undefined);
  backoff.next('a', clock.now());
  assert.equal(backoff.get('a'), 10_000);
  assert.equal(formatDuration(160_000), '2m40s');
  assert.equal(formatDuration(300_000), '5m0s');
});

test('pull policy and pull secrets', () => {
  for (const [image, policy] of [
    ['a', 'Always'],
    ['a:latest', 'Always'],
    ['a:1', 'IfNotPresent'],
    ['r:5000/a', 'Always'],
    ['a@sha256:0', 'IfNotPresent'],
  ]) {
    assert.equal(policyOf(containerOf({ image })), policy, image);
  }
  const config = { auths: { 'r.example': { auth: Buffer.from('me:pa:ss').toString('base64') } } };
  const data = { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') };
  assert.deepEqual(authsOf({ metadata: {}, data }), [
    { server: 'r.example', username: 'me', password: 'pa:ss', identityToken: undefined },
  ]);
});

test('a container that must not be root is not', () => {
  const image = { user: '', env: [] } as never;
  assert.throws(
    () => securityOf(podOf({ securityContext: { runAsNonRoot: true } }), containerOf({}), image),
    /image will run as root/,
  );
  assert.throws(
    () => securityOf(podOf({}), containerOf({ securityContext: { runAsNonRoot: true, runAsUser: 0 } }), image),
    /breaks non-root policy/,
  );
  assert.throws(
    () => securityOf(podOf({}), containerOf({ securityContext: { runAsNonRoot: true } }), { user: 'web' } as never),
    /non-numeric user \(web\)/,
  );
  assert.equal(
    securityOf(podOf({ securityContext: { runAsUser: 5, fsGroup: 7 } }), containerOf({}), image).runAsUser,
    5,
  );
});

test('names and resolvers of pods', () => {
  assert.equal(hostnameOf(podOf({ hostname: 'h', subdomain: 's' }), 'cluster.local'), 'h');
  assert.equal(
    hostnameOf(podOf({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }), 'cluster.local'),
    'h.s.shop.svc.cluster.local',
  );
  assert.equal(hostnameOf(podOf({}, { name: `${'a'.repeat(62)}-b` }), ''), 'a'.repeat(62));
  assert.deepEqual(
    podDns(podOf({ dnsConfig: { options: [{ name: 'ndots', value: '2' }] } }), ['10.96.0.10'], 'cluster.local'),
    {
      servers: ['10.96.0.10'],
      searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      options: ['ndots:2'],
    },
  );
  assert.equal(podDns(podOf({ dnsPolicy: 'Default' }), ['10.96.0.10'], 'x'), undefined);
  assert.equal(podDns(podOf({ hostNetwork: true }), ['10.96.0.10'], 'x'), undefined);
});

test("a pod that this node cannot take is refused with upstream's reason", () => {
  const node = { labels: { disk: 'ssd' }, allocatable: { cpu: '2', pods: '2' }, os: 'linux' };
  const port = (hostIP: string) => podOf({ containers: [{ ports: [{ containerPort: 1, hostPort: 80, hostIP }] }] });
  const cpu = (amount: string) => podOf({ containers: [{ resources: { requests: { cpu: amount } } }] });
  const table: [string | undefined, Pod, Pod[]][] = [
    [undefined, podOf({ nodeSelector: { disk: 'ssd' } }), []],
    ['NodeAffinity', podOf({ nodeSelector: { disk: 'hdd' } }), []],
    ['NodePorts', port(''), [port('127.0.0.1')]],
    [undefined, port('127.0.0.2'), [port('127.0.0.1')]],
    ['OutOfcpu', cpu('1500m'), [cpu('600m')]],
    ['OutOfpods', podOf({}), [podOf({}), podOf({})]],
  ];
  for (const [reason, pod, others] of table) assert.equal(refusePod(pod, { ...node, others })?.reason, reason);
});

test('a probe needs its thresholds, and comes at its period', async () => {
  const clock = virtualClock();
  const results: boolean[] = [];
  const tries: number[] = [];
  let ok = true;
  const prober = new Prober({
    clock,
    type: 'readiness',
    startedAt: clock.now(),
    initial: false,
    probe: { initialDelaySeconds: 3, periodSeconds: 2, successThreshold: 2, failureThreshold: 3 },
    attempt: async () => {
      tries.push(clock.monotonic() / 1000);
      return { ok, output: '' };
    },
    onFailure: () => {},
    onResult: (good) => results.push(good),
  });
  prober.start();
  await clock.advance(4_000);
  assert.deepEqual([tries, results], [[3], []]);
  await clock.advance(2_000);
  assert.deepEqual([tries, results], [[3, 5], [true]]);
  ok = false;
  await clock.advance(4_000);
  assert.deepEqual(results, [true]);
  await clock.advance(2_000);
  assert.deepEqual(results, [true, false]);
  prober.stop();
  await clock.advance(60_000);
  assert.equal(tries.length, 5);
  await settle();
});

test('files change together, and nothing is written when nothing changed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atomic-'));
  const files = (entries: Record<string, string>) =>
    new Map(Object.entries(entries).map(([name, text]) => [name, { data: Buffer.from(text), mode: 0o644 }]));
  try {
    await writeAtomically(directory, files({ a: '1', 'd/b': '2' }), 't1');
    assert.equal(await readFile(join(directory, 'd/b'), 'utf8'), '2');
    await writeAtomically(directory, files({ a: '1', 'd/b': '2' }), 't2');
    assert.equal(await readlink(join(directory, '..data')), '..t1');
    await writeAtomically(directory, files({ c: '3' }), 't3');
    assert.equal(await readFile(join(directory, 'c'), 'utf8'), '3');
    await assert.rejects(readFile(join(directory, 'a')), { code: 'ENOENT' });
    await assert.rejects(writeAtomically(directory, files({ '../x': '' }), 't4'), /must not contain "\.\."/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a sub-path never leaves its volume', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'subpath-'));
  const volume = join(directory, 'volume');
  try {
    await mkdir(volume);
    await symlink('/etc', join(volume, 'out'));
    await symlink('inner', join(volume, 'link'));
    await mkdir(join(volume, 'inner'));
    assert.match(await resolveSubPath(volume, 'a/b'), /volume\/a\/b$/);
    assert.match(await resolveSubPath(volume, 'link/x'), /volume\/inner\/x$/);
    await assert.rejects(resolveSubPath(volume, 'out'), /leaves its volume/);
    await assert.rejects(resolveSubPath(volume, 'out/ssl'), /leaves its volume/);
    await assert.rejects(resolveSubPath(volume, '../x'), /must not contain/);
    await assert.rejects(resolveSubPath(volume, '/etc'), /must be a relative path/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a pod knows itself by its short name, and in a subdomain by its long one', async () => {
  const own = async (spec: object) => {
    const pod = podOf(spec);
    const names = { hostname: hostnameOf(pod, 'cluster.local'), fqdn: fqdnOf(pod, 'cluster.local') };
    return (await hostsFile(names as never, ['10.0.0.9'])).split('\n').find((line) => line.startsWith('10.0.0.9'));
  };
  const long = `h.s.${podOf({}).metadata.namespace}.svc.cluster.local`;
  assert.equal(await own({ hostname: 'h' }), '10.0.0.9\th');
  assert.equal(await own({ hostname: 'h', subdomain: 's' }), `10.0.0.9\t${long}\th`);
  assert.equal(await own({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }), `10.0.0.9\t${long}\th`);
});
