/** RUN: a command in the stage's files; what it changed becomes a layer. The command itself is run by whom the caller names. */
import type { Images } from '../images.ts';
import { isAlive, workName } from '../liveness.ts';
import { type Instruction, DockerfileError } from './dockerfile.ts';
import { differences } from './difference.ts';
import { type BuiltLayer, keyOf, makeLayer } from './layer.ts';
import { shellOf, type Stage } from './stage.ts';

export interface RunRequest {
  /** Host path of a writable root filesystem. */
  rootfs: string;
  argv: string[];
  /** `name=value`. */
  env: string[];
  cwd: string;
  /** As an image's `User`; '' is root. */
  user: string;
  signal?: AbortSignal;
  onOutput: (text: string) => void;
}

/** Resolves with the exit code. */
export type RunCommand = (request: RunRequest) => Promise<number>;

/** Files of a stage, on the host, as long as `work` takes. */
export async function withRootfs<T>(
  images: Images,
  layers: readonly BuiltLayer[],
  work: (rootfs: string) => Promise<T>,
): Promise<T> {
  const id = `build-${workName()}`;
  const chain = layers.map((layer) => ({ digest: layer.descriptor.digest, diffId: layer.diffId }));
  try {
    return await work(await images.rootfs.prepare(`sha256:${keyOf(chain)}`, chain, id));
  } finally {
    await images.rootfs.remove(id);
  }
}

/** What builds of killed processes left mounted. */
export async function sweepBuilds(images: Images): Promise<void> {
  for (const id of await images.rootfs.list())
    if (id.startsWith('build-') && !isAlive(id.slice('build-'.length))) await images.rootfs.remove(id);
}

export function runArgv(stage: Stage, instruction: Instruction): string[] {
  const [flag] = instruction.flags.keys();
  if (flag) throw new DockerfileError(instruction.line, `RUN --${flag} is not supported`);
  if (instruction.list) return instruction.list;
  const [first] = instruction.heredocs;
  if (!first) return [...shellOf(stage), instruction.rest];
  const alone = /^<<-?(["']?)\w+\1$/.test(instruction.rest);
  const documents = instruction.heredocs.map((each) => `${each.content}${each.name}\n`).join('');
  return [...shellOf(stage), alone ? first.content : `${instruction.rest.replaceAll('<<-', '<<')}\n${documents}`];
}

export async function runStep(
  images: Images,
  stage: Stage,
  instruction: Instruction,
  options: { run: RunCommand; mtime: number; signal?: AbortSignal; onOutput: (text: string) => void },
): Promise<BuiltLayer> {
  const argv = runArgv(stage, instruction);
  const args = [...stage.args]
    .filter(([name]) => !stage.config.Env?.some((each) => each.startsWith(`${name}=`)))
    .map(([name, value]) => `${name}=${value}`);
  return await withRootfs(images, stage.layers, (before) =>
    withRootfs(images, stage.layers, async (rootfs) => {
      const { signal, onOutput } = options;
      const env = [...args, ...(stage.config.Env ?? [])];
      const code = await options.run({
        rootfs,
        argv,
        env,
        cwd: stage.config.WorkingDir || '/',
        user: stage.config.User ?? '',
        ...(signal && { signal }),
        onOutput,
      });
      if (code !== 0)
        throw new DockerfileError(
          instruction.line,
          `RUN ended with exit code ${code}: ${instruction.rest.slice(0, 200)}`,
        );
      return await makeLayer(images.store, differences(before, rootfs, options.mtime), 'gzip');
    }),
  );
}
