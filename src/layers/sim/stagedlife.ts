/** The lives of simulated objects by Stages: what the templates may ask of nodes and pods, and a player for each kind. */
import { type Node, nodes, type Pod, pods } from '../../api/index.ts';
import { eventRecorder, type Client, type Informers, type Log, quiet } from '../../client/index.ts';
import type { AnyObject, Clock, Random } from '../../machinery/index.ts';
import type { Addresses } from './addresses.ts';
import { readStages, type Stage, StagePlayer, type TemplateFunction } from './stages/index.ts';
import { readyConditions } from './status.ts';

export interface StagedLifeOptions {
  /** Documents; those that are no Stages are passed over. */
  stages: readonly AnyObject[];
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log?: Log;
  /** Whether the node is simulated and connected. */
  lives(node: string): boolean;
  addressesOf(node: string): Addresses | undefined;
}

const version = 'v1.36.0';
/** What templates may ask, beside what they always may. */
const questions = [
  'Now',
  'StartTime',
  'Version',
  'NodeConditions',
  'NodeName',
  'NodeIP',
  'NodePort',
  'NodeIPWith',
  'NodeIPsWith',
  'PodIP',
  'PodIPWith',
  'PodIPsWith',
] as const;

/** How many Stages there are among the documents. Throws a `StageError` for one that is not understood. */
export function checkStages(documents: readonly AnyObject[]): number {
  return readStages(documents, Object.fromEntries(questions.map((name) => [name, () => '']))).length;
}

export class StagedLife {
  readonly #options: StagedLifeOptions;
  readonly #stages: readonly Stage[];
  readonly #players: StagePlayer[] = [];
  readonly #nodeObject: (name: string) => Node | undefined;
  /** By pod uid. */
  readonly #addresses = new Map<string, string>();
  #about: AnyObject = { metadata: {} };

  /** Throws a `StageError`. */
  constructor(options: StagedLifeOptions) {
    this.#options = options;
    this.#stages = readStages(options.stages, this.#functions());
    const { lister } = options.informers.for<Node>(nodes);
    this.#nodeObject = (name) => lister.get(name);
  }

  /** Whether Stages say what becomes of these. */
  ruleOver(kind: 'Node' | 'Pod'): boolean {
    return this.#stages.some((stage) => stage.kind.group === '' && stage.kind.kind === kind);
  }

  start(): void {
    const { client, informers, clock, random, log = quiet } = this.#options;
    const recorder = eventRecorder({ client, clock, random, component: 'kwok', log });
    const about = (object: AnyObject) => void (this.#about = object);
    for (const kind of new Set(this.#stages.map((stage) => stage.kind)))
      this.#players.push(
        new StagePlayer({
          stages: this.#stages.filter((stage) => stage.kind === kind),
          informer: informers.for(kind),
          client,
          clock,
          random,
          recorder,
          log,
          about,
          manages: (object) => this.#manages(kind, object),
          gone: (object) => this.#gone(object),
        }),
      );
  }

  /** The node has just come, or come back. */
  look(node: string): void {
    const { informers } = this.#options;
    const object = this.#nodeObject(node);
    for (const player of this.#players) {
      if (object) player.look(object as AnyObject);
      for (const pod of informers.for<Pod>(pods).indexBy('node', onNode)(node)) player.look(pod as AnyObject);
    }
  }

  stop(): void {
    for (const player of this.#players) player.stop();
  }

  #manages({ group, kind }: Stage['kind'], object: AnyObject): boolean {
    const { lives } = this.#options;
    if (group === '' && kind === 'Node') return lives(object.metadata.name!);
    if (group === '' && kind === 'Pod') return object.spec.nodeName !== undefined && lives(object.spec.nodeName);
    return true;
  }

  #gone({ metadata, spec }: AnyObject): void {
    const address = this.#addresses.get(metadata.uid!);
    if (address === undefined) return;
    this.#addresses.delete(metadata.uid!);
    this.#options.addressesOf(spec?.nodeName)?.free(address);
  }

  #functions(): Record<(typeof questions)[number], TemplateFunction> {
    const now = () => new Date(this.#options.clock.now()).toISOString();
    const started = now();
    const nodeIPs = (name: string) => {
      const all = this.#nodeObject(name)?.status?.addresses ?? [];
      const found = ['InternalIP', 'ExternalIP'].flatMap((type) => all.filter((one) => one.type === type));
      return found.slice(0, 1).map(({ address }) => address);
    };
    const podIPs = (name: string, hostNetwork: boolean) => {
      if (hostNetwork) return nodeIPs(name);
      const address = this.#addressOf(name);
      return address === undefined ? [] : [address];
    };
    const ownNode = () => this.#about.spec?.nodeName ?? this.#about.metadata.name ?? '';
    return {
      Now: now,
      StartTime: () => started,
      Version: () => version,
      NodeConditions: () => readyConditions(now()),
      NodeName: ownNode,
      NodeIP: () => nodeIPs(ownNode())[0] ?? '',
      NodePort: () => 0,
      NodeIPWith: (name: string) => nodeIPs(name)[0] ?? '',
      NodeIPsWith: nodeIPs,
      PodIP: () => podIPs(ownNode(), false)[0] ?? '',
      PodIPWith: (name: string, hostNetwork: boolean) => podIPs(name, hostNetwork)[0] ?? '',
      PodIPsWith: podIPs,
    };
  }

  /** Of the pod that is spoken of: the same whenever it is asked for. */
  #addressOf(node: string): string | undefined {
    const { metadata, status } = this.#about;
    const addresses = this.#options.addressesOf(node);
    const known = status?.podIP ?? this.#addresses.get(metadata.uid!);
    if (known !== undefined) addresses?.mark(known);
    const address = known ?? addresses?.take();
    if (address !== undefined) this.#addresses.set(metadata.uid!, address);
    return address;
  }
}

const onNode = ({ spec }: Pod) => (spec.nodeName ? [spec.nodeName] : []);
