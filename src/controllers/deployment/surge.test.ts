/** A roll of a thousand pods, looked at after every single write: never more than the surge allows, never fewer than must be available. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Deployment, deployments, type Pod } from '../../api/index.ts';
import { SimulatedNodes } from '../../layers/sim/index.ts';
import { memoryStore, type StoreEvent } from '../../store/index.ts';
import { startCluster, VirtualClock } from '../../testing/index.ts';

const namespace = 'default';
const capacity = { cpu: '64', memory: '256Gi', pods: '250' };

/** Counts the pods after every event of the store, as nobody who waits for watches could. */
class Counted {
  most = 0;
  fewest = Number.POSITIVE_INFINITY;
  events = 0;
  readonly #pods = new Map<string, { active: boolean; ready: boolean }>();
  #active = 0;
  #ready = 0;

  take({ key, value }: StoreEvent): void {
    const pod = value && (JSON.parse(Buffer.from(value).toString()) as Pod);
    const before = this.#pods.get(key);
    const isActive = pod !== undefined && pod.metadata.deletionTimestamp === undefined;
    const isReady =
      isActive && (pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false);
    this.#active += Number(isActive) - Number(before?.active ?? false);
    this.#ready += Number(isReady) - Number(before?.ready ?? false);
    if (pod === undefined) this.#pods.delete(key);
    else this.#pods.set(key, { active: isActive, ready: isReady });
    this.events++;
    this.most = Math.max(this.most, this.#active);
    this.fewest = Math.min(this.fewest, this.#ready);
  }

  /** Forgets what was before. */
  restart(): void {
    [this.most, this.fewest, this.events] = [this.#active, this.#ready, 0];
  }
}

/** Milliseconds: on machines so large, things happen together. */
const grain = 100;

for (const [replicas, maxSurge, maxUnavailable] of [
  [1_000, '10%', '5%'],
  [150, 15, 0],
  [150, 0, 7],
] as const)
  test(`${replicas} replicas roll within their bounds at every instant: surge ${maxSurge}, unavailable ${maxUnavailable}`, async () => {
    const store = memoryStore();
    const counted = new Counted();
    store.watch({
      start: '/registry/core/pods/default/',
      end: '/registry/core/pods/default0',
      fromRevision: 1,
      onEvents: (events) => events.forEach((event) => counted.take(event)),
      onEnd: () => {},
    });
    await using cluster = await startCluster({ store, clock: new VirtualClock(undefined, grain) });
    const { client, clock, random } = cluster;
    const sim = new SimulatedNodes({ client, clock, random, timings: { start: [50, 3_000], stop: [10, 2_000] } });
    for (let n = 0; n < 8; n++) await sim.add({ name: `node-${n}`, address: `192.0.2.${n + 1}`, capacity });
    const labels = { app: 'big' };
    const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'c', image }] } });
    await client.create<Deployment>(deployments, {
      metadata: { name: 'big', namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
        template: template('a:1'),
      },
    } as Deployment);
    const status = async () => (await client.get<Deployment>(deployments, { name: 'big', namespace })).status;
    await cluster.eventually(async () => (await status())?.availableReplicas === replicas);
    counted.restart();
    const patch = { type: 'merge' as const, body: { spec: { template: template('a:2') } } };
    await client.patch(deployments, { name: 'big', namespace }, patch);
    await cluster.eventually(
      async () => {
        const now = await status();
        return now?.updatedReplicas === replicas && now.replicas === replicas && now.availableReplicas === replicas;
      },
      { within: 3_600_000 },
    );
    const part = (bound: number | string, round: (value: number) => number) =>
      typeof bound === 'number' ? bound : round((Number.parseInt(bound, 10) * replicas) / 100);
    assert.ok(counted.events >= 4 * replicas, `${counted.events} events`);
    assert.ok(counted.most > replicas || counted.fewest < replicas, 'nothing was seen');
    assert.ok(counted.most <= replicas + part(maxSurge, Math.ceil), `${counted.most} pods at once`);
    assert.ok(counted.fewest >= replicas - part(maxUnavailable, Math.floor), `only ${counted.fewest} were available`);
    await sim.stop();
  });
