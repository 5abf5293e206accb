import { type Lease, leases, type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { type Client, type Informer, Informers, type Log, writeThrough } from '../../client/index.ts';
import {
  type AnyObject,
  type Clock,
  formatMicroTime,
  formatTime,
  isStatusError,
  type Random,
  type Timer,
} from '../../machinery/index.ts';
import { Addresses, firstAddressOf } from './addresses.ts';
import { type Observer, standardTimings, type Timings } from './machine.ts';
import { PodAgent } from './pods.ts';
import { StagedLife } from './stagedlife.ts';
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
  /** Shared with others of this process, who end them; absent: its own. */
  informers?: Informers;
  /** Absent: `standardTimings`. */
  timings?: Partial<Timings>;
  /** KWOK's Stages, as they are written: for the kinds that they name, they rule instead of what this folder knows. */
  stages?: readonly AnyObject[];
  /** Leases are renewed on a grid of so many milliseconds, many at once, which costs virtual time less; absent: each when its time has come. */
  grid?: number;
  /** Every Node that there is comes to life, whoever made it, and lives as long as its object. */
  adopt?: boolean;
}

interface SimNode {
  readonly name: string;
  readonly addresses: Addresses;
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
  readonly #staged: StagedLife | undefined;
  readonly #remove: (() => void)[] = [];
  #count = 0;

  /** Throws a `StageError` for a Stage that is not understood. */
  constructor(options: SimOptions) {
    this.#options = options;
    this.#informers = options.informers ?? new Informers({ ...options, signal: this.#stop.signal });
    this.#pods = this.#informers.for<Pod>(pods);
    this.#objects = this.#informers.for<Node>(nodes);
    this.#byUid = this.#pods.indexBy('uid', (pod) => [pod.metadata.uid!]);
    this.#byNode = this.#pods.indexBy('node', ({ spec }) => (spec.nodeName ? [spec.nodeName] : []));
    if (options.stages) this.#staged = this.#stagedLife(options, options.stages);
    this.#followNodes();
    if (!this.#staged?.ruleOver('Pod')) this.#followPods();
    this.#staged?.start();
  }

  #stagedLife(options: SimOptions, stages: readonly AnyObject[]): StagedLife {
    return new StagedLife({
      ...options,
      stages,
      client: writeThrough(options.client, this.#informers),
      informers: this.#informers,
      lives: (name) => this.#nodes.get(name)?.agent.connected ?? false,
      addressesOf: (name) => this.#nodes.get(name)?.addresses,
    });
  }

  #followPods(): void {
    const look = ({ metadata, spec }: Pod) => this.#nodes.get(spec.nodeName ?? '')?.agent.look(metadata.uid!);
    this.#remove.push(
      this.#pods.addHandler({
        onAdd: look,
        onUpdate: (old, pod) => {
          if (old.metadata.uid !== pod.metadata.uid) look(old);
          look(pod);
        },
        onDelete: look,
      }),
    );
  }

  #followNodes(): void {
    const { adopt } = this.#options;
    const seen = (node: Node) => {
      const name = node.metadata.name!;
      if (adopt && !this.#nodes.has(name)) this.#adopt(node);
      if (!this.#staged?.ruleOver('Node')) this.#post(node);
    };
    this.#remove.push(
      this.#objects.addHandler({
        onAdd: seen,
        onUpdate: (_, node) => seen(node),
        onDelete: ({ metadata }) => adopt && this.#forget(metadata.name!),
      }),
    );
  }

  #adopt({ metadata, status }: Node): void {
    const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '127.0.0.1';
    const node = this.#begin(metadata.name!, address);
    this.#beat(node, this.#firstBeat());
    // its pods may be known before its caches are filled
    this.#options.clock.after(0, () => this.#lookAtAll(node.name));
  }

  #forget(name: string): void {
    if (!this.#nodes.has(name)) return;
    this.crash(name);
    this.#nodes.delete(name);
  }

  #begin(name: string, address: string): SimNode {
    const { clock, random, clientFor, observer = {}, timings } = this.#options;
    const client = writeThrough(clientFor?.(name) ?? this.#options.client, this.#informers);
    const addresses = new Addresses(firstAddressOf(this.#count++));
    const agent = new PodAgent({
      name,
      address,
      addresses,
      client,
      clock,
      random,
      observer,
      timings: { ...standardTimings, ...timings },
      find: (uid) => this.#byUid(uid)[0],
    });
    const node: SimNode = { name, addresses, client, agent, heartbeat: undefined, lease: undefined, posting: false };
    this.#nodes.set(name, node);
    return node;
  }

  /** Registers a node and lets it live. */
  async add(shape: NodeShape): Promise<void> {
    const { clock } = this.#options;
    const node = this.#begin(shape.name, shape.address);
    const object = nodeOf(shape, formatTime(clock.now()));
    // what a Stage brings about must not be there before
    if (this.#staged?.ruleOver('Node')) object.status!.conditions = [];
    try {
      await node.client.create<Node>(nodes, object);
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
    }
    await this.#renew(node);
    this.#beat(node, this.#firstBeat());
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
    if (object && !this.#staged?.ruleOver('Node')) this.#post(object);
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
    for (const name of this.#nodes.keys()) this.cut(name);
    for (const remove of this.#remove) remove();
    this.#staged?.stop();
    this.#stop.abort(new Error('stopped'));
    if (this.#options.informers === undefined) await this.#informers.ended();
  }

  #lookAtAll(name: string): void {
    const agent = this.#nodes.get(name)?.agent;
    if (agent === undefined) return;
    if (this.#staged?.ruleOver('Pod')) return this.#staged.look(name);
    for (const pod of this.#byNode(name)) agent.look(pod.metadata.uid!);
    for (const { pod } of agent.machine.all()) agent.look(pod.metadata.uid!);
  }

  /** After so many milliseconds: not all nodes at the same time. */
  #firstBeat(): number {
    const { clock, random, grid } = this.#options;
    const after = random.next() * renewEvery;
    return grid === undefined ? after : Math.ceil((clock.now() + after) / grid) * grid - clock.now();
  }

  #beat(node: SimNode, after: number): void {
    node.heartbeat = this.#options.clock.after(after, () => {
      void this.#renew(node).then(() => {
        if (node.agent.connected) this.#beat(node, renewEvery);
      });
    });
  }

  async #renew(node: SimNode): Promise<void> {
    const { client, name } = node;
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
