import { type Lease, leases, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { type Client, type Informer, Informers, type Log, writeThrough } from '../../client/index.ts';
import {
  type Clock,
  formatMicroTime,
  formatTime,
  isStatusError,
  type Random,
  type Timer,
} from '../../machinery/index.ts';
import type { Observer } from './machine.ts';
import { PodAgent } from './pods.ts';
import { nodeOf, type NodeShape, readyConditions } from './status.ts';

/** Milliseconds: the kubelet's own. */
const renewEvery = 10_000;
const leaseSeconds = 40;

export interface SimOptions {
  /** Watches pods and nodes for all; also writes for all, unless `clientFor` is given. */
  client: Client;
  /** As a node. */
  clientFor?(node: string): Client;
  clock: Clock;
  random: Random;
  log?: Log;
  observer?: Observer;
}

interface SimNode {
  readonly shape: NodeShape;
  readonly client: Client;
  readonly agent: PodAgent;
  heartbeat: Timer | undefined;
  lease: Lease | undefined;
  posting: boolean;
}

export class SimulatedNodes {
  readonly #options: SimOptions;
  readonly #nodes = new Map<string, SimNode>();
  readonly #stop = new AbortController();
  readonly #informers: Informers;
  readonly #pods: Informer<Pod>;
  readonly #objects: Informer<Node>;
  readonly #byUid: (uid: string) => readonly Pod[];
  readonly #byNode: (name: string) => readonly Pod[];

  constructor(options: SimOptions) {
    this.#options = options;
    this.#informers = new Informers({ ...options, signal: this.#stop.signal });
    this.#pods = this.#informers.for<Pod>(pods);
    this.#objects = this.#informers.for<Node>(nodes);
    this.#byUid = this.#pods.indexBy('uid', (pod) => [pod.metadata.uid!]);
    this.#byNode = this.#pods.indexBy('node', ({ spec }) => (spec.nodeName ? [spec.nodeName] : []));
    const look = ({ metadata, spec }: Pod) => this.#nodes.get(spec.nodeName ?? '')?.agent.look(metadata.uid!);
    this.#pods.addHandler({
      onAdd: look,
      onUpdate: (old, pod) => {
        if (old.metadata.uid !== pod.metadata.uid) look(old);
        look(pod);
      },
      onDelete: look,
    });
    this.#objects.addHandler({ onAdd: (node) => this.#post(node), onUpdate: (_, node) => this.#post(node) });
  }

  /** Registers a node and lets it live. */
  async add(shape: NodeShape): Promise<void> {
    const { clock, random, clientFor, observer = {} } = this.#options;
    const client = writeThrough(clientFor?.(shape.name) ?? this.#options.client, this.#informers);
    const agent = new PodAgent({
      name: shape.name,
      address: shape.address,
      firstAddress: (10 << 24) + this.#nodes.size * 256 + 1,
      client,
      clock,
      random,
      observer,
      find: (uid) => this.#byUid(uid)[0],
    });
    const node: SimNode = { shape, client, agent, heartbeat: undefined, lease: undefined, posting: false };
    this.#nodes.set(shape.name, node);
    try {
      await client.create<Node>(nodes, nodeOf(shape, formatTime(clock.now())));
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
    await this.#renew(node);
    this.#beat(node, random.next() * renewEvery);
    this.#lookAtAll(shape.name);
  }

  /** Takes the network from a node: it neither hears nor tells, and what runs on it goes on. */
  cut(name: string): void {
    const node = this.#nodes.get(name)!;
    node.agent.connected = false;
    node.heartbeat?.cancel();
  }

  heal(name: string): void {
    const node = this.#nodes.get(name)!;
    if (node.agent.connected) return;
    node.agent.connected = true;
    this.#beat(node, 0);
    const object = this.#objects.lister.get(name);
    if (object) this.#post(object);
    this.#lookAtAll(name);
  }

  /** The machine loses its power: what ran on it is gone. `heal` boots it. */
  crash(name: string): void {
    this.cut(name);
    this.#nodes.get(name)!.agent.machine.crash();
  }

  names(): string[] {
    return [...this.#nodes.keys()];
  }

  async stop(): Promise<void> {
    for (const node of this.#nodes.values()) this.cut(node.shape.name);
    this.#stop.abort(new Error('stopped'));
    await this.#informers.ended();
  }

  #lookAtAll(name: string): void {
    const { agent } = this.#nodes.get(name)!;
    for (const pod of this.#byNode(name)) agent.look(pod.metadata.uid!);
    for (const { pod } of agent.machine.all()) agent.look(pod.metadata.uid!);
  }

  #beat(node: SimNode, after: number): void {
    node.heartbeat = this.#options.clock.after(after, () => {
      void this.#renew(node).then(() => {
        if (node.agent.connected) this.#beat(node, renewEvery);
      });
    });
  }

  async #renew(node: SimNode): Promise<void> {
    const { client, shape } = node;
    const { name } = shape;
    const metadata = node.lease?.metadata ?? { name, namespace: 'kube-node-lease' };
    const renewTime = formatMicroTime(this.#options.clock.now());
    const lease = { metadata, spec: { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime } } as Lease;
    try {
      node.lease = node.lease ? await client.update<Lease>(leases, lease) : await client.create<Lease>(leases, lease);
    } catch {
      // the next beat tries again, from what is stored
      node.lease = await client.get<Lease>(leases, { name, namespace: 'kube-node-lease' }).catch(() => undefined);
    }
  }

  /** Says that the node is well when somebody has said that it is not. */
  #post(object: Node): void {
    const { clock } = this.#options;
    const node = this.#nodes.get(object.metadata.name!);
    if (node === undefined || !node.agent.connected || node.posting) return;
    const ready = object.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return;
    node.posting = true;
    const status = { ...object.status, conditions: readyConditions(formatTime(clock.now())) };
    const again = () => {
      node.posting = false;
      const now = this.#objects.lister.get(object.metadata.name!);
      if (now) this.#post(now);
    };
    node.client
      .update<Node>(nodes, { ...object, status } as Node, { subresource: 'status' })
      .then(again, () => clock.after(1_000, again));
  }
}
