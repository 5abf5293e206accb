/** `glass up`, wired: store, API server, controllers, scheduler, network, node. */
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { certifyRequest, createApiserver, secretTokens, serviceAccountUser } from '../apiserver/index.ts';
import type { RunningPlatform, UpOptions } from '../cli/index.ts';
import { Failure } from '../cli/index.ts';
import { type Client, Informers, type Log, localClient, runControllers } from '../client/index.ts';
import { nodes } from '../api/index.ts';
import { controllers } from '../controllers/index.ts';
import { MetricSet, systemClock as clock, systemRandom as random } from '../machinery/index.ts';
import { runScheduler } from '../scheduler/index.ts';
import { addressing } from './addressing.ts';
import { kubeconfigFor } from './kubeconfig.ts';
import { whileLeading } from './leading.ts';
import { type NodeIdentity, startNode } from './node.ts';
import { ensureRoles } from './roles.ts';
import { giveMemoryBackAtRest } from './memory.ts';
import { loadPki } from './pki.ts';
import { chooseRuntime } from './runtimes.ts';
import { encryptedAs, serverOptionsOf } from './serverfiles.ts';
import { startSimNodes } from './simnodes.ts';
import { describeStore, openStore } from './store.ts';
import { ensureStorageClass, localVolumes } from './volumes.ts';

const masters = 'system:masters';
const readyWithin = 30_000;

export async function startPlatform(options: UpOptions): Promise<RunningPlatform> {
  const { places, log, report } = options;
  const runtime = chooseRuntime(options.runtime);
  writeFileSync(`${places.root}/runtime.json`, JSON.stringify({ runtime: runtime.name }), { mode: 0o600 });
  const plan = addressing(runtime.name);
  const nodes = identities(options);
  const stop = new AbortController();
  const undo: (() => Promise<void> | void)[] = [];
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  try {
    const opened = await openStore(options, clock);
    undo.push(() => opened.close());
    const metrics = new MetricSet();
    const around = { clock, random, log, metrics };
    const { store, stop: stopReading } = await encryptedAs(options.files, opened, around);
    undo.push(stopReading);
    report('store', describeStore(options));
    const hosts = [
      'localhost',
      '127.0.0.1',
      '::1',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      plan.serviceAddress,
      plan.gateway,
      ...nodes.flatMap(({ name, address }) => [name, address]),
    ];
    const pki = loadPki(places.pki, clock.now(), hosts);
    const files = await serverOptionsOf(options.files, around);
    undo.push(() => files.close());
    const apiserver = await createApiserver({
      ...files.options,
      store,
      clock,
      random,
      hostname: hostname(),
      signer: { key: pki.signer, issuer: 'https://kubernetes.default.svc.cluster.local' },
      serviceCIDR: plan.serviceCIDR,
      nodePorts: { from: 30_000, to: 32_767 },
      nodes: { ...pki.kubeletClient, authority: pki.authority.certificate },
      frontProxy: pki.frontProxy,
      metrics,
      failed: (err, id) => log.error({ err, id }, 'a request failed by a fault of the server'),
    });
    undo.push(() => apiserver.close());
    const door = {
      certificate: pki.server.certificate,
      key: pki.server.key,
      clientAuthority: pki.authority.certificate,
    };
    const inside = plan.mode === 'kernel';
    const { port } = await apiserver.listen({
      ...door,
      host: '127.0.0.1',
      port: options.port,
      advertise: inside ? undefined : '127.0.0.1',
    });
    report('apiserver', `https://127.0.0.1:${port}`);
    const as = (name: string, ...groups: string[]): Client =>
      localClient(
        apiserver.local({ name, groups: [...groups, 'system:authenticated'] }, name.replace(/^system:/, '')),
        {
          share: true,
        },
      );
    const admin = as('system:glasshouse', masters);
    await ensureRoles(admin);
    await ensureStorageClass(admin);
    const control = as('system:kube-controller-manager');
    const account = (name: string): Client =>
      localClient(apiserver.local(serviceAccountUser('kube-system', name), 'kube-controller-manager'), { share: true });
    const shared = { clock, random, log, signal: stop.signal };
    const informers = new Informers({ client: control, ...shared });
    undo.push(() => stop.abort(new Error('stopping')));
    const list = controllers({
      localVolumes: localVolumes(places.root),
      clusterCA: pki.authority.certificate,
      sign: (request, terms) => certifyRequest(pki.authority, request, terms),
      signToken: secretTokens(() => pki.signer),
    });
    // over etcd there may be further processes like this one
    const leader = (client: Client, lease: string) => ({
      ...shared,
      ...(typeof options.store !== 'string' && { election: { client, lease } }),
    });
    whileLeading(leader(control, 'kube-controller-manager'), (signal) => {
      return runControllers(control, list, { ...shared, signal, informers, metrics, clientFor: account }).ended;
    });
    report('controllers', `${list.length}`);
    const scheduler = as('system:kube-scheduler');
    whileLeading(leader(scheduler, 'kube-scheduler'), (signal) => {
      return runScheduler({ client: scheduler, podGroups: true, informers, metrics, ...shared, signal }).ended;
    });
    report('scheduler', 'default-scheduler');
    const node = await startNode({
      places,
      plan,
      runtime,
      nodes,
      pki,
      log,
      informers,
      kubelet: (name) => as(`system:node:${name}`, 'system:nodes'),
      network: as('system:glasshouse:network'),
      report,
    });
    undo.push(() => node.stop());
    // pods cannot reach the machine's loopback: they have a door of their own, on an address that only they can reach
    if (inside) await apiserver.listen({ ...door, host: plan.gateway, port, advertise: plan.gateway });
    if (options.simNodes > 0) {
      const stopSim = await startSimNodes({
        count: options.simNodes,
        client: as('system:glasshouse:sim', masters),
        directory: places.kubelet,
        clock,
        random,
        log,
      });
      undo.push(stopSim);
      report('sim nodes', `${options.simNodes}`);
    }
    for (const { name } of nodes) await nodeReady(admin, name);
    await node.ready;
    undo.push(giveMemoryBackAtRest());
    return {
      port,
      runtime: runtime.name,
      client: admin,
      kubeconfig: kubeconfigFor(port, pki),
      failed: failed.promise,
      stop: () => unwind(undo, log),
    };
  } catch (error) {
    await unwind(undo, log);
    throw error;
  }
}

/** The first is named as the machine, the others after it; on loopback each has an address of its own, too. */
function identities({ nodes: count, nodeIPs }: UpOptions): NodeIdentity[] {
  const machine = hostname().toLowerCase();
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? machine : `${machine}-${index + 1}`,
    address: nodeIPs[index] ?? `127.0.0.${index + 1}`,
  }));
}

async function unwind(undo: (() => Promise<void> | void)[], log: Log): Promise<void> {
  for (const step of undo.splice(0).toReversed()) {
    try {
      await step();
    } catch (err) {
      log.error({ err }, 'a part did not stop well');
    }
  }
}

async function nodeReady(client: Client, name: string): Promise<void> {
  const deadline = AbortSignal.timeout(readyWithin);
  const watched = client.watch(nodes, { fieldSelector: `metadata.name=${name}`, signal: deadline });
  for await (const { object } of watched) {
    const ready = object.status?.conditions?.find((one) => one.type === 'Ready');
    if (ready?.status === 'True') return;
  }
  throw new Failure(`node ${name} did not become ready within ${readyWithin / 1000} s: see the log`);
}
