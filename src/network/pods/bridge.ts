/**
 * Pods in network namespaces of their own, joined to the host by a bridge. The host routes between them: a pod's address
 * is a /32, so that answers, too, pass where Services apply. Needs root, `ip` and `nft`.
 */
import { rmSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Addresses, fileAddresses } from '../addresses.ts';
import { covers, parseCidr } from '../ipv4.ts';
import { type Log, quiet } from '../../client/index.ts';
import { type Run, run as runProgram } from '../run.ts';
import { type IpBatch, ipBatch } from './batch.ts';
import * as commands from './commands.ts';
import { HostPorts } from './hostports.ts';
import { checkSandboxId, type HostPort, type OwnedPodNetwork, type PodAddresses } from './podnetwork.ts';
import { inspectHost } from './routes.ts';
import { setInterfaceSetting } from './sysctl.ts';
import { hostPortLines, removalLines, tableText } from './table.ts';

export interface BridgeOptions {
  /** Where addresses and what was changed on the host are kept. */
  directory: string;
  /** This node's part of `clusterCIDR`; 10.244.0.0/24 when absent. Its first address is the bridge's. */
  podCIDR?: string;
  /** 10.244.0.0/16 when absent. */
  clusterCIDR?: string;
  /** 10.96.0.0/16 when absent. */
  serviceCIDR?: string;
  /** glass0 when absent. */
  bridge?: string;
  /** Bytes; 1500 when absent. */
  mtu?: number;
  /** Where host ports without a hostIP answer; 127.0.0.0/8 when absent. `0.0.0.0/0`: on every address of the node. */
  publishOn?: string[];
  /** Lets pods reach what is outside of the cluster, behind the node's address. Otherwise they are refused. */
  masquerade?: boolean;
  run?: Run;
  log?: Log;
}

const netnsDirectory = '/run/netns';

export function bridgePodNetwork(options: BridgeOptions): OwnedPodNetwork {
  return new BridgePodNetwork(options);
}

class BridgePodNetwork implements OwnedPodNetwork {
  readonly #options: BridgeOptions;
  readonly #layout: commands.Layout;
  readonly #run: Run;
  readonly #log: Log;
  readonly #batch: IpBatch;
  readonly #addresses: Addresses;
  readonly #hostPorts: HostPorts;
  /** One thing at a time for each sandbox. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#layout = layoutOf(options);
    this.#run = options.run ?? runProgram;
    this.#log = options.log ?? quiet;
    this.#batch = ipBatch(this.#run);
    this.#addresses = fileAddresses(join(options.directory, 'addresses.json'), this.#layout.podCIDR, 2, (file) =>
      this.#log.warn({ file }, 'the file of pod addresses was damaged and is begun anew'),
    );
    this.#hostPorts = new HostPorts(join(options.directory, 'hostports.json'));
  }

  async up(): Promise<void> {
    const host = await inspectHost(this.#run, this.#layout);
    if (host.hidden.length > 0) {
      this.#log.warn({ networks: host.hidden }, 'the pod and service ranges hide a part of a network of this machine');
    }
    const alive = await this.#living();
    await mkdir(join(this.#options.directory, 'inside'), { recursive: true, mode: 0o700 });
    await this.#batch.apply([
      ...commands.bridgeLines(this.#layout, host.bridgeExists),
      ...alive.flatMap(({ address }) => commands.attachLines(this.#layout, address)),
    ]);
    await this.#setForwarding(host.uplinks);
    await this.#nft([
      tableText({
        ...this.#layout,
        publishOn: this.#options.publishOn ?? ['127.0.0.0/8'],
        masquerade: this.#options.masquerade === true,
        uplinks: await this.#changedUplinks(),
      }),
      ...alive.flatMap(({ id, address }) => hostPortLines('add', address, this.#hostPorts.get(id))),
    ]);
  }

  add({ id, hostPorts }: { id: string; hostPorts: HostPort[] }): Promise<PodAddresses> {
    checkSandboxId(id);
    return this.#alone(id, async () => {
      const known = await this.#check(id);
      return known ?? (await this.#make(id, hostPorts));
    });
  }

  del(sandboxId: string): Promise<void> {
    return this.#alone(sandboxId, () => this.#remove(sandboxId));
  }

  check(sandboxId: string): Promise<PodAddresses | undefined> {
    return this.#alone(sandboxId, () => this.#check(sandboxId));
  }

  /** The kernel does all of it. */
  async stop(): Promise<void> {}

  async down(): Promise<void> {
    await Promise.all(this.#addresses.owners().map((id) => this.del(id)));
    await this.#nft(removalLines());
    await this.#batch.remove(commands.bridgeRemovalLines(this.#layout));
    for (const uplink of await this.#changedUplinks()) {
      await setInterfaceSetting(uplink, 'forwarding', '0').catch((error) =>
        this.#log.warn({ uplink, error: String(error) }, 'forwarding could not be switched off again'),
      );
    }
    for (const name of ['uplinks.json', 'inside'])
      rmSync(join(this.#options.directory, name), { recursive: true, force: true });
  }

  async #make(id: string, hostPorts: HostPort[]): Promise<PodAddresses> {
    const { address, saved } = this.#addresses.take(id);
    try {
      await this.#hostPorts.set(id, hostPorts);
      const inside = await this.#insideFile(address);
      const undo = commands.podRemovalLines(id, address);
      const made = this.#batch.apply(commands.podLines(this.#layout, id, address, inside), undo);
      await Promise.all([saved, made, this.#nft(hostPortLines('add', address, hostPorts))]);
    } catch (error) {
      await this.#remove(id).catch((again) =>
        this.#log.warn({ id, error: String(again) }, 'a failed pod network is not wholly removed'),
      );
      throw error;
    }
    return this.#found(id, address);
  }

  async #remove(id: string): Promise<void> {
    const address = this.#addresses.get(id);
    if (address === undefined) return;
    const hostPorts = this.#hostPorts.get(id);
    await Promise.all([
      this.#batch.remove(commands.podRemovalLines(id, address)),
      this.#nft(hostPortLines('delete', address, hostPorts)).catch((error) =>
        this.#log.warn({ id, error: String(error) }, 'host ports could not be removed'),
      ),
    ]);
    await Promise.all([this.#addresses.free(id), this.#hostPorts.delete(id)]);
  }

  async #check(id: string): Promise<PodAddresses | undefined> {
    const address = this.#addresses.get(id);
    if (address === undefined) return undefined;
    const { netns, ...found } = this.#found(id, address);
    if (await isNamespace(netns)) return { ...found, netns };
    // The machine was started anew, or somebody removed it: nothing of it is there any more.
    await this.#remove(id);
    return undefined;
  }

  #found(id: string, address: string): PodAddresses & { netns: string } {
    return { ips: [address], netns: join(netnsDirectory, commands.netnsNameOf(id)) };
  }

  async #living(): Promise<{ id: string; address: string }[]> {
    const living: { id: string; address: string }[] = [];
    for (const id of this.#addresses.owners()) {
      const found = await this.#check(id);
      if (found) living.push({ id, address: found.ips[0] as string });
    }
    return living;
  }

  /** `ip netns exec` reads the lines for the inside from a file; it depends on the address alone. */
  async #insideFile(address: string): Promise<string> {
    const file = join(this.#options.directory, 'inside', address);
    await writeFile(file, `${commands.podInsideLines(this.#layout, address).join('\n')}\n`, { mode: 0o600 });
    return file;
  }

  async #setForwarding(uplinks: string[]): Promise<void> {
    const { bridge } = this.#layout;
    await setInterfaceSetting(bridge, 'forwarding', '1');
    await setInterfaceSetting(bridge, 'route_localnet', '1');
    if (this.#options.masquerade !== true) return;
    const changed = new Set(await this.#changedUplinks());
    for (const uplink of uplinks) {
      if (!(await setInterfaceSetting(uplink, 'forwarding', '1'))) continue;
      changed.add(uplink);
      this.#log.info(
        { uplink },
        'switched on IPv4 forwarding, for answers to pods only, so that pods reach the outside',
      );
    }
    await writeFile(this.#uplinksFile(), JSON.stringify([...changed]), { mode: 0o600 });
  }

  #uplinksFile(): string {
    return join(this.#options.directory, 'uplinks.json');
  }

  async #changedUplinks(): Promise<string[]> {
    return readFile(this.#uplinksFile(), 'utf8').then(
      (text) => JSON.parse(text) as string[],
      () => [],
    );
  }

  async #nft(lines: string[]): Promise<void> {
    if (lines.length > 0) await this.#run('nft', ['-f', '-'], { input: `${lines.join('\n')}\n` });
  }

  #alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#busy.get(id) ?? Promise.resolve()).then(work, work);
    this.#busy.set(id, result);
    const done = () => {
      if (this.#busy.get(id) === result) this.#busy.delete(id);
    };
    result.then(done, done);
    return result;
  }
}

/** A namespace is mounted on its file, so the file is on a device of its own; what a crash leaves is a plain file. */
async function isNamespace(file: string): Promise<boolean> {
  try {
    const [own, parent] = await Promise.all([stat(file), stat(netnsDirectory)]);
    return own.dev !== parent.dev;
  } catch {
    return false;
  }
}

function layoutOf(options: BridgeOptions): commands.Layout {
  const bridge = options.bridge ?? 'glass0';
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,14}$/.test(bridge)) {
    throw new Error(`bridge: "${bridge}" is not an interface name; use up to 15 letters, digits, "_" and "-"`);
  }
  const layout = {
    bridge,
    podCIDR: parseCidr(options.podCIDR ?? '10.244.0.0/24', 'podCIDR'),
    clusterCIDR: parseCidr(options.clusterCIDR ?? '10.244.0.0/16', 'clusterCIDR'),
    serviceCIDR: parseCidr(options.serviceCIDR ?? '10.96.0.0/16', 'serviceCIDR'),
    mtu: options.mtu ?? 1500,
    owner: `glasshouse in ${options.directory.replace(/["\n]/g, '?').slice(-200)}`,
  };
  if (!covers(layout.clusterCIDR, layout.podCIDR) || layout.podCIDR.bits > 29) {
    throw new Error(
      `podCIDR: "${options.podCIDR}" must lie in clusterCIDR (${options.clusterCIDR ?? '10.244.0.0/16'}) and hold at least 8 addresses`,
    );
  }
  return layout;
}
