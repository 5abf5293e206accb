/**
 * Control groups of pods and containers, in any of the three layouts: v1 (a tree per controller), v2 (one tree), hybrid
 * (v1 trees and a v2 tree beside them, used as v1). The path of a container's group is
 * `<parent>/[burstable|besteffort]/pod<uid>/<container>/c`: the runtime makes and removes the last one, `c`; the one above is
 * ours and outlives it, because it keeps the evidence of a container that was killed for its memory.
 */
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killQuietly } from './command.ts';
import { readText } from './procfs.ts';
import type { ContainerStats, Resources, SandboxConfig } from './runtime.ts';

const root = '/sys/fs/cgroup';
const page = 4096;

export interface CgroupLayout {
  version: 1 | 2;
  /** Directory of each controller's tree; in v2 they are all the same. */
  trees: Map<string, string>;
  /** Hybrid: the v2 tree beside the v1 ones holds controllers, which crun refuses to see. */
  unifiedWithControllers: boolean;
  /** Hybrid: where that tree is. Some runtimes make groups there too. */
  unified?: string;
}

/** Reads the mounted trees. Undefined: no control groups here, and no limits. */
export function detectCgroups(mountinfo = readText('/proc/self/mountinfo') ?? ''): CgroupLayout | undefined {
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4] ?? '';
    const [type, , options = ''] = after.split(' ');
    if (!path.startsWith(root)) continue;
    if (type === 'cgroup2') v2 ??= path;
    if (type === 'cgroup') for (const name of options.split(',')) v1.set(name, path);
  }
  if (v1.has('memory') || v1.has('cpu')) {
    const unified = v2 === undefined ? '' : (readText(join(v2, 'cgroup.controllers')) ?? '').trim();
    return { version: 1, trees: v1, unifiedWithControllers: unified !== '', ...(v2 !== undefined && { unified: v2 }) };
  }
  if (v2 === undefined) return undefined;
  const tree = v2;
  const controllers = (readText(join(tree, 'cgroup.controllers')) ?? '').trim().split(' ');
  return { version: 2, trees: new Map(controllers.map((name) => [name, tree])), unifiedWithControllers: false };
}

/** The group of a pod, beneath the trees' roots. */
export function podCgroup(parent: string, sandbox: SandboxConfig): string {
  const qos = { Guaranteed: '', Burstable: '/burstable', BestEffort: '/besteffort' }[sandbox.qosClass];
  return `${parent}${qos}/pod${sandbox.metadata.uid}`;
}

export class Cgroups {
  readonly layout: CgroupLayout;
  readonly #directories: string[];

  constructor(layout: CgroupLayout) {
    this.layout = layout;
    this.#directories = [...new Set([...layout.trees.values(), ...(layout.unified ? [layout.unified] : [])])];
  }

  /** Makes a group and sets what is limited. Setting it again changes the limits. */
  async ensure(group: string, resources: Resources): Promise<void> {
    if (this.layout.version === 2) await this.#ensureUnified(group);
    else for (const name of ['cpu', 'memory', 'pids']) await this.#makeV1(name, group);
    await this.limit(group, resources);
  }

  async #makeV1(controller: string, group: string): Promise<void> {
    const tree = this.layout.trees.get(controller);
    if (tree !== undefined) await mkdir(join(tree, group), { recursive: true });
  }

  async #ensureUnified(group: string): Promise<void> {
    const tree = this.#directories[0] as string;
    const enable = ['cpu', 'memory', 'pids'].filter((name) => this.layout.trees.has(name)).map((name) => `+${name}`);
    let path = tree;
    for (const part of group.split('/').filter((piece) => piece !== '')) {
      await writeFile(join(path, 'cgroup.subtree_control'), enable.join(' '));
      path = join(path, part);
      await mkdir(path, { recursive: true });
    }
  }

  /** Sets the limits that `resources` names, and leaves the others. */
  async limit(group: string, resources: Resources): Promise<void> {
    for (const [controller, file, value] of limitFiles(resources, this.layout.version)) {
      const tree = this.layout.trees.get(controller);
      if (tree !== undefined) await writeLimit(join(tree, group, file), value);
    }
  }

  /** A little below the container's own limit, so that v1 counts the failure here, where it is still read afterwards. */
  async watchMemory(group: string, memoryLimit: number | undefined): Promise<void> {
    const tree = this.layout.trees.get('memory');
    if (this.layout.version === 2 || memoryLimit === undefined || tree === undefined) return;
    await writeLimit(join(tree, group, 'memory.limit_in_bytes'), String(Math.max(memoryLimit - page, page)));
  }

  /** Whether the kernel killed something in this group for want of memory. */
  async wasOutOfMemory(group: string): Promise<boolean> {
    const tree = this.layout.trees.get('memory');
    if (tree === undefined) return false;
    if (this.layout.version === 1) return Number(readText(join(tree, group, 'memory.failcnt')) ?? 0) > 0;
    const events = readText(join(tree, group, 'memory.events')) ?? '';
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0) > 0;
  }

  async stats(group: string): Promise<ContainerStats | undefined> {
    const read = (controller: string, file: string) => {
      const tree = this.layout.trees.get(controller);
      return tree === undefined ? '' : (readText(join(tree, group, file)) ?? '');
    };
    const v2 = this.layout.version === 2;
    const used = read('memory', v2 ? 'memory.current' : 'memory.usage_in_bytes');
    if (used === '') return undefined;
    const reclaimable = field(read('memory', 'memory.stat'), v2 ? 'inactive_file' : 'total_inactive_file');
    const cpu = v2 ? field(read('cpu', 'cpu.stat'), 'usage_usec') * 1000 : Number(read('cpuacct', 'cpuacct.usage'));
    return {
      cpuNanoseconds: cpu,
      memoryBytes: Number(used),
      workingSetBytes: Math.max(0, Number(used) - reclaimable),
      pids: Number(read('pids', 'pids.current') || 0),
    };
  }

  /** The processes of a group and of those below it. */
  async processes(group: string): Promise<number[]> {
    const tree = this.layout.trees.get('pids') ?? (this.#directories[0] as string);
    const found: number[] = [];
    for (const directory of await treeOf(join(tree, group))) {
      const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
      found.push(
        ...text
          .split('\n')
          .filter((line) => line !== '' && line !== '0')
          .map(Number),
      );
    }
    return found;
  }

  /** Kills all that runs in a group, also what is being forked meanwhile. */
  async kill(group: string): Promise<void> {
    const tree = this.layout.trees.get('pids') ?? (this.#directories[0] as string);
    if (this.layout.version === 2) {
      const done = await writeFile(join(tree, group, 'cgroup.kill'), '1').then(
        () => true,
        () => false,
      );
      if (done) return;
    }
    for (let round = 0; round < 100; round++) {
      const pids = await this.processes(group);
      if (pids.length === 0) return;
      for (const pid of pids) killQuietly(pid, 'SIGKILL');
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Removes a group and those below it; what still has processes stays. */
  async remove(group: string): Promise<void> {
    for (const tree of this.#directories)
      for (const directory of (await treeOf(join(tree, group))).toReversed())
        await rmdir(directory).catch(() => undefined);
  }
}

/** The number after a name, in files of one name and one number a line. */
function field(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** A directory and those below it, parents first. */
async function treeOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [];
  const found = [directory];
  for (const entry of entries) if (entry.isDirectory()) found.push(...(await treeOf(join(directory, entry.name))));
  return found;
}

async function writeLimit(path: string, value: string): Promise<void> {
  try {
    await writeFile(path, value);
  } catch (error) {
    throw new Error(`cannot set ${path} to ${value}: ${(error as Error).message}`, { cause: error });
  }
}

export function limitFiles(resources: Resources, version: 1 | 2): [controller: string, file: string, value: string][] {
  const { cpuShares, cpuQuota, cpuPeriod = 100_000, memoryLimit, pidsLimit } = resources;
  const files: [string, string, string][] = [];
  if (version === 2) {
    if (cpuShares) files.push(['cpu', 'cpu.weight', String(weightOf(cpuShares))]);
    if (cpuQuota) files.push(['cpu', 'cpu.max', `${cpuQuota > 0 ? cpuQuota : 'max'} ${cpuPeriod}`]);
    if (memoryLimit) files.push(['memory', 'memory.max', String(memoryLimit)]);
  } else {
    if (cpuShares) files.push(['cpu', 'cpu.shares', String(cpuShares)]);
    if (cpuQuota)
      files.push(['cpu', 'cpu.cfs_period_us', String(cpuPeriod)], ['cpu', 'cpu.cfs_quota_us', String(cpuQuota)]);
    if (memoryLimit) files.push(['memory', 'memory.limit_in_bytes', String(memoryLimit)]);
  }
  if (pidsLimit) files.push(['pids', 'pids.max', String(pidsLimit)]);
  return files;
}

/** v1 shares (2 … 262144) as v2 weight (1 … 10000), linearly, as the field maps them. */
export function weightOf(shares: number): number {
  return Math.floor(1 + ((Math.min(Math.max(shares, 2), 262_144) - 2) * 9999) / 262_142);
}
