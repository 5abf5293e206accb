/** A user who keeps changing their mind: the next thing they ask for is drawn. */
import {
  type DaemonSet,
  daemonSets,
  type Deployment,
  deployments,
  type Job,
  jobs,
  nodes,
  type Pod,
  pods,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  type Service,
  services,
  type StatefulSet,
  statefulSets,
} from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { isStatusError, type Random, type Resource } from '../../machinery/index.ts';

export const namespace = 'default';
const names = ['ant', 'bee', 'cat'];

export class User {
  readonly #client: Client;
  readonly #random: Random;
  readonly #nodes: readonly string[];
  readonly #did: (what: string) => void;
  #image = 0;

  constructor(client: Client, random: Random, nodeNames: readonly string[], did: (what: string) => void) {
    this.#client = client;
    this.#random = random;
    this.#nodes = nodeNames;
    this.#did = did;
  }

  #below(n: number): number {
    return Math.floor(this.#random.next() * n);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }

  async act(): Promise<void> {
    const acts = [
      () => this.#makeDeployment(),
      () => this.#makeDeployment(),
      () => this.#makeStatefulSet(),
      () => this.#makeDaemonSet(),
      () => this.#makeJob(),
      () => this.#makeBudget(),
      () => this.#scale(),
      () => this.#scale(),
      () => this.#roll(),
      () => this.#roll(),
      () => this.#roll(),
      () => this.#deleteWorkload(),
      () => this.#deletePod(),
      () => this.#evictPod(),
      () => this.#drain(),
      () => this.#cordon(),
    ];
    try {
      await this.#pick(acts)();
    } catch (error) {
      // there already, not there, or the budget says no: a user shrugs
      const shrugs = ['AlreadyExists', 'NotFound', 'TooManyRequests', 'Conflict'] as const;
      if (!shrugs.some((reason) => isStatusError(error, reason))) throw error;
    }
  }

  async uncordonAll(): Promise<void> {
    for (const name of this.#nodes)
      await this.#client.patch(nodes, { name }, { type: 'merge', body: { spec: { unschedulable: null } } });
  }

  #template(app: string, more: object = {}): Deployment['spec']['template'] {
    const requests = { cpu: `${this.#pick([50, 100, 400])}m` };
    const annotations = {
      'sim.glasshouse.dev/start-milliseconds': String(this.#below(4_000)),
      'sim.glasshouse.dev/stop-milliseconds': String(this.#below(4_000)),
    };
    return {
      metadata: { labels: { app }, annotations },
      spec: { containers: [{ name: 'c', image: `image:${this.#image++}`, resources: { requests } }], ...more },
    } as Deployment['spec']['template'];
  }

  async #makeDeployment(): Promise<void> {
    const name = `web-${this.#pick(names)}`;
    const rollingUpdate = this.#pick([
      { maxSurge: 1, maxUnavailable: 0 },
      { maxSurge: 0, maxUnavailable: 1 },
      { maxSurge: '50%', maxUnavailable: '25%' },
    ]);
    const strategy = this.#below(5) === 0 ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate };
    const replicas = this.#below(7);
    this.#did(`create deployment ${name} with ${replicas}`);
    const spec = { replicas, strategy, selector: { matchLabels: { app: name } }, template: this.#template(name) };
    await this.#client.create<Deployment>(deployments, { metadata: { name, namespace }, spec } as Deployment);
    const ports = [{ port: 80 }];
    await this.#client.create<Service>(services, {
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports },
    } as Service);
  }

  async #makeStatefulSet(): Promise<void> {
    const name = `db-${this.#pick(names)}`;
    const podManagementPolicy = this.#pick(['OrderedReady', 'Parallel']);
    this.#did(`create statefulset ${name}, ${podManagementPolicy}`);
    const spec = {
      replicas: 1 + this.#below(4),
      serviceName: name,
      podManagementPolicy,
      selector: { matchLabels: { app: name } },
      template: this.#template(name),
    };
    await this.#client.create<StatefulSet>(statefulSets, { metadata: { name, namespace }, spec } as StatefulSet);
  }

  async #makeDaemonSet(): Promise<void> {
    const name = 'agent';
    this.#did(`create daemonset ${name}`);
    const spec = { selector: { matchLabels: { app: name } }, template: this.#template(name) };
    await this.#client.create<DaemonSet>(daemonSets, { metadata: { name, namespace }, spec } as DaemonSet);
  }

  async #makeJob(): Promise<void> {
    const name = `job-${this.#random.suffix(4)}`;
    const completionMode = this.#pick(['Indexed', 'NonIndexed']);
    const completions = 1 + this.#below(5);
    this.#did(`create job ${name}, ${completionMode}, ${completions} completions`);
    const template = this.#template(name, { restartPolicy: 'Never' });
    template!.metadata!.annotations!['sim.glasshouse.dev/run-milliseconds'] = String(this.#below(20_000));
    const spec = { completions, parallelism: 1 + this.#below(3), completionMode, template, backoffLimit: 100 };
    await this.#client.create<Job>(jobs, { metadata: { name, namespace }, spec } as Job);
  }

  async #makeBudget(): Promise<void> {
    const name = `web-${this.#pick(names)}`;
    this.#did(`create budget ${name}`);
    const spec = { maxUnavailable: 1, selector: { matchLabels: { app: name } } };
    await this.#client.create<PodDisruptionBudget>(podDisruptionBudgets, { metadata: { name, namespace }, spec });
  }

  async #scale(): Promise<void> {
    const [resource, name] = this.#workload();
    const replicas = this.#below(8);
    this.#did(`scale ${resource.resource}/${name} to ${replicas}`);
    await this.#client.patch(resource, { name, namespace }, { type: 'merge', body: { spec: { replicas } } });
  }

  async #roll(): Promise<void> {
    const [resource, name]: [Resource<any>, string] = this.#below(6) === 0 ? [daemonSets, 'agent'] : this.#workload();
    const image = `image:${this.#image++}`;
    this.#did(`roll ${resource.resource}/${name} to ${image}`);
    const body = { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } };
    await this.#client.patch(resource, { name, namespace }, { type: 'strategic', body });
  }

  async #deleteWorkload(): Promise<void> {
    const [resource, name] = this.#workload();
    const propagationPolicy = this.#pick(['Background', 'Foreground', 'Orphan'] as const);
    this.#did(`delete ${resource.resource}/${name}, ${propagationPolicy}`);
    await this.#client.delete(resource, { name, namespace }, { propagationPolicy });
  }

  #workload(): [Resource<any>, string] {
    const which = this.#pick(names);
    return this.#below(3) === 0 ? [statefulSets, `db-${which}`] : [deployments, `web-${which}`];
  }

  async #somePod(): Promise<Pod | undefined> {
    const { items } = await this.#client.list<Pod>(pods, { namespace });
    return items.length > 0 ? this.#pick(items) : undefined;
  }

  async #deletePod(): Promise<void> {
    const pod = await this.#somePod();
    if (pod === undefined) return;
    this.#did(`delete pod ${pod.metadata.name}`);
    await this.#client.delete(pods, { name: pod.metadata.name!, namespace });
  }

  async #evictPod(): Promise<void> {
    const pod = await this.#somePod();
    if (pod !== undefined) await this.#evict(pod);
  }

  /** All that one app has, as fast as budgets let it go. */
  async #drain(): Promise<void> {
    const app = `web-${this.#pick(names)}`;
    const { items } = await this.#client.list<Pod>(pods, { namespace, labelSelector: `app=${app}` });
    this.#did(`drain the ${items.length} pods of ${app}`);
    for (const pod of items)
      await this.#evict(pod).catch((error: unknown) => {
        if (!isStatusError(error, 'NotFound', 'TooManyRequests', 'Conflict')) throw error;
      });
  }

  async #evict(pod: Pod): Promise<void> {
    const { name } = pod.metadata;
    this.#did(`evict pod ${name}`);
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
    await this.#client.create(pods, eviction as object as Pod, { subresource: 'eviction' });
  }

  async #cordon(): Promise<void> {
    const name = this.#pick(this.#nodes);
    const unschedulable = this.#below(2) === 0;
    this.#did(`${unschedulable ? 'cordon' : 'uncordon'} ${name}`);
    await this.#client.patch(nodes, { name }, { type: 'merge', body: { spec: { unschedulable } } });
  }
}
