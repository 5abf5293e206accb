/** An OCI runtime's program, and how it must be called here. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CgroupLayout } from '../cgroups.ts';
import { type CommandResult, runCommand } from '../command.ts';
import type { Clock } from '../../../machinery/index.ts';

/**
 * crun does not start while the v2 tree beside v1 trees holds controllers. It is shown a mount namespace of its own
 * without that tree; the host's mounts stay as they are. Mounts made by a container still reach the host with `shared`.
 */
const hideUnified = 'umount -l /sys/fs/cgroup/unified && exec "$@"';
const hideUnifiedShared = 'mount --make-rslave /sys/fs/cgroup && umount -l /sys/fs/cgroup/unified && exec "$@"';

export class RuntimeBinary {
  readonly path: string;
  readonly root: string;
  readonly #hide: boolean;
  readonly #clock: Clock;

  /** `root` is where the runtime keeps its state. */
  constructor(path: string, root: string, layout: CgroupLayout | undefined, clock: Clock) {
    this.path = path;
    this.root = root;
    this.#hide = basename(path) === 'crun' && (layout?.unifiedWithControllers ?? false);
    this.#clock = clock;
  }

  /** Options that come before the verb. */
  get options(): string[] {
    const manager = basename(this.path) === 'crun' ? ['--cgroup-manager=cgroupfs'] : [];
    return [`--root=${this.root}`, ...manager];
  }

  command(...args: string[]): string[] {
    return [this.path, ...this.options, ...args];
  }

  /** The command as it has to be run on this machine. */
  wrap(argv: string[], sharedMounts = false): string[] {
    if (!this.#hide) return argv;
    const script = sharedMounts ? hideUnifiedShared : hideUnified;
    return [
      'unshare',
      '--mount',
      '--propagation',
      sharedMounts ? 'unchanged' : 'slave',
      'sh',
      '-c',
      script,
      'sh',
      ...argv,
    ];
  }

  async run(args: string[], timeout: number): Promise<CommandResult> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    return runCommand(this.wrap(this.command(...args)), { clock: this.#clock, timeout });
  }

  /** Whether the runtime still knows a container of this id. */
  hasState(id: string): boolean {
    return existsSync(join(this.root, id));
  }

  /** `crun 1.8.1`, as it names itself. */
  async version(): Promise<string> {
    const { stdout } = await runCommand([this.path, '--version'], { clock: this.#clock, timeout: 5000 });
    return (stdout.split('\n')[0] ?? '').replace(' version', '').trim();
  }
}
