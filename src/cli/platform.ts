/** What the command line needs from the platform, wired in `cmd/`: this folder knows neither the server nor the runtimes. */
import type { Client, HttpsClient, Log } from '../client/index.ts';
import type { AnyObject } from '../machinery/index.ts';
import type { Places } from './places.ts';
import type { ServerFiles } from './serverflags.ts';
import type { StorePlace } from './storeflag.ts';

export type RuntimeName = 'oci' | 'process' | 'sim';

export interface UpOptions {
  places: Places;
  /** 0: any free one. */
  port: number;
  runtime: RuntimeName | 'auto';
  store: StorePlace;
  files: ServerFiles;
  simNodes: number;
  /** Nodes on this machine, 1 or more; each has its share of it. */
  nodes: number;
  /** IPv4 addresses of this machine, one for each node: node agents listen there. Empty: loopback. */
  nodeIPs: string[];
  log: Log;
  /** One line as each part is up. */
  report(part: string, what: string): void;
}

export interface RunningPlatform {
  port: number;
  runtime: RuntimeName;
  client: Client;
  /** Contents of a kubeconfig. */
  kubeconfig: string;
  /** Rejects when the platform cannot go on. */
  failed: Promise<never>;
  /** Ends this process's part; containers go on running. */
  stop(): Promise<void>;
}

export interface SimOptions {
  places: Places;
  /** 0: any free one. */
  port: number;
  nodes: number;
  /** Of each node. */
  capacity: Record<string, string>;
  /** KWOK's Stages, as they are written. */
  stages: AnyObject[];
  /** What `kubectl get -A -o yaml` printed. */
  recorded: unknown[];
  virtual: boolean;
  /** Milliseconds from the start, or of the Unix epoch; absent: until told to stop. */
  duration?: number;
  until?: number;
  /** Milliseconds, at least and at most. */
  timings: { pull: [number, number]; start: [number, number]; stop: [number, number] };
  /** The same seed draws the same chances; absent: true ones. */
  seed?: number;
  log: Log;
  report(what: { loaded?: Loaded; stages?: number }): void;
}

/** What became of recorded objects. */
export interface Loaded {
  created: ReadonlyMap<string, number>;
  leftOut: ReadonlyMap<string, number>;
  refused: readonly string[];
}

export interface ClusterCount {
  /** That have passed. */
  milliseconds: number;
  nodes: { all: number; ready: number };
  pods: { all: number; placed: number; ready: number; phases: Record<string, number> };
  workloads: Record<string, { all: number; done: number }>;
}

/** Answers from the start; the rest comes with `ready`. */
export interface RunningSimulation {
  port: number;
  client: Client;
  kubeconfig: string;
  /** Loads, starts the control plane, registers the nodes. */
  ready(): Promise<void>;
  /** Lets time pass until its end, or until told to stop. `told` hears about once a second, while time is virtual, how much has passed. */
  run(signal: AbortSignal, told: (elapsed: number) => void): Promise<void>;
  count(): Promise<ClusterCount>;
  stop(): Promise<void>;
}

export interface BuildOptions {
  context: string;
  dockerfile?: string;
  name: string;
  base?: string;
  progress(line: string): void;
}

export interface ImageSummary {
  id: string;
  names: string[];
  /** Bytes. */
  size: number;
}

export interface Images {
  build(options: BuildOptions): Promise<{ id: string; name: string; port: number }>;
  pull(name: string, progress: (line: string) => void): Promise<ImageSummary>;
  push(name: string, progress: (line: string) => void): Promise<void>;
  /** Reads an archive from a file, or from standard input for `-`. */
  import(file: string): Promise<ImageSummary[]>;
  export(names: string[], file: string): Promise<void>;
  list(): Promise<ImageSummary[]>;
  remove(name: string): Promise<void>;
}

export interface Platform {
  version: string;
  up(options: UpOptions): Promise<RunningPlatform>;
  simulate(options: SimOptions): Promise<RunningSimulation>;
  /** Ends every container and takes the network down. Works whether or not the platform runs. */
  stopWorkloads(places: Places): Promise<void>;
  images(places: Places): Promise<Images>;
  /** A client of the cluster that runs here. */
  connect(kubeconfig: string): Promise<HttpsClient>;
  /** Lines of a pod's log, oldest first. */
  podLogs(
    kubeconfig: string,
    of: { namespace: string; name: string; container?: string; follow: boolean; tailLines: number },
  ): AsyncIterable<string>;
  /** Writes to a file; levels as pino's. */
  logTo(file: string): Log;
}
