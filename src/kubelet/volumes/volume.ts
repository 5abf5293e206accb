/** What a kind of volume does: makes a path on the node that containers can be given. */
import type { PodFacts } from '../downward.ts';
import type { ConfigMap, Container, Pod, Secret, Volume } from '../kinds.ts';
import type { Context } from '../options.ts';
import type { Image } from '../runtime/services.ts';
import type { Token } from '../tokens.ts';
import type { MountedVolume } from '../work.ts';

export interface VolumeContext {
  context: Context;
  pod: Pod;
  facts: PodFacts;
  podDirectory: string;
  /** This volume's own directory; its parent is there. */
  directory: string;
  /** As `directory`, in memory where this node can (root on Linux): for secrets. */
  secretDirectory: string;
  memory: number;
  /** Rejects with `PullError`. */
  pullImage(reference: string, policy: Container['imagePullPolicy']): Promise<Image>;
  configMap(name: string): Promise<ConfigMap>;
  secret(name: string): Promise<Secret>;
  token(audience: string | undefined, expirationSeconds: number): Promise<Token>;
  /** `setUp` is called again at this time at the latest. */
  renewAt(time: number): void;
}

export interface VolumePlugin {
  /** The field of `Volume` that chooses it. */
  readonly name: keyof Volume;
  /** Its content follows other objects: `setUp` is repeated when they change. */
  readonly updates: boolean;
  /** Repeating it is safe and writes nothing that is there already. Rejects with a message for the user. */
  setUp(volume: Volume, context: VolumeContext): Promise<MountedVolume>;
  tearDown?(context: Pick<VolumeContext, 'directory' | 'secretDirectory'>): Promise<void>;
}
