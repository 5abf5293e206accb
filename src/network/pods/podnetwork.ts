/** CNI's verbs, as the node agent uses them. Declared here in shape only: the two parts do not know each other. */

export interface HostPort {
  containerPort: number;
  hostPort: number;
  /** '' and 0.0.0.0: the addresses that this node publishes on. */
  hostIP: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface PodAddresses {
  ips: string[];
  /** Path of the network namespace; absent where pods share the host's. */
  netns?: string;
}

export interface PodNetwork {
  /** Makes the sandbox's network and gives it an address; repeating it returns the same. */
  add(sandbox: { id: string; hostPorts: HostPort[] }): Promise<PodAddresses>;
  /** Takes the network down and gives the address back; repeating it succeeds. */
  del(sandboxId: string): Promise<void>;
  /** What `add` returned, for a sandbox that is still there. */
  check(sandboxId: string): Promise<PodAddresses | undefined>;
}

/** A pod network with a life of its own. */
export interface OwnedPodNetwork extends PodNetwork {
  /** Makes what all pods share. Idempotent; must have succeeded before `add`. */
  up(): Promise<void>;
  /** Ends what this process itself does for pods; the next `up` goes on with it. Idempotent. */
  stop(): Promise<void>;
  /** Removes all that `up` and `add` made, and nothing else. Idempotent. */
  down(): Promise<void>;
}

/** Sandbox ids become file, namespace and set names. */
export function checkSandboxId(id: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) {
    throw new Error(`sandbox id ${JSON.stringify(id)}: use 1 to 128 letters, digits, ".", "_" and "-"`);
  }
}
