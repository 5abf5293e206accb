/** What the driver `oci` is given, and what it works with once that was looked for on the machine. */
import type { Clock, Random } from '../../../machinery/index.ts';
import type { Cgroups } from '../cgroups.ts';
import type { ImageService, PodNetwork } from '../services.ts';
import type { RuntimeBinary } from './binary.ts';

export interface OciOptions {
  /** All that the driver keeps is below it. */
  directory: string;
  /** Programs (names on the PATH, or paths) by RuntimeClass handler; '' is the default: crun, else runc. */
  runtimes?: Record<string, string>;
  /** conmon's path; false: the `sh` shim holds every container. Absent: conmon where it is on the PATH. */
  conmon?: string | false;
  images: ImageService;
  network: PodNetwork;
  clock: Clock;
  random: Random;
  /** Told of what failed behind the verbs, such as a log that cannot be written. */
  warn?: (message: string) => void;
  /** The cgroup above all pods. Two drivers on one machine need different ones. */
  cgroupParent?: string;
  /** Processes and threads of one pod: contains a fork bomb, and leaves room for programs with many threads. */
  podPidsLimit?: number;
  /** Where `Localhost` seccomp profiles lie. */
  seccompDirectory?: string;
}

export interface OciSetup {
  directory: string;
  binaries: Map<string, RuntimeBinary>;
  conmon: string | undefined;
  images: ImageService;
  network: PodNetwork;
  clock: Clock;
  random: Random;
  warn?: (message: string) => void;
  cgroups: Cgroups;
  cgroupParent: string;
  podPidsLimit: number;
  seccompDirectory: string;
  limitSwap: boolean;
}
