/** What a container sees mounted: its volumes, and the file for its last words. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expand } from './expand.ts';
import type { Container } from './kinds.ts';
import type { Mount } from './runtime/runtime.ts';
import { resolveSubPath } from './volumes/subpath.ts';
import { type Work, podDirectory } from './work.ts';

export interface ContainerMounts {
  mounts: Mount[];
  /** Where on the node the termination message will be. */
  terminationLog: string;
}

/** Rejects with a message for the user when a volume is missing or a sub-path leads out of it. */
export async function makeMounts(
  work: Work,
  container: Container,
  attempt: number,
  env: { name: string; value: string }[],
): Promise<ContainerMounts> {
  const values = new Map(env.map(({ name, value }) => [name, value]));
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = work.volumes.get(mount.name);
    if (!volume) throw new Error(`volume "${mount.name}" of container ${container.name} is not mounted`);
    const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, values) : mount.subPath;
    mounts.push({
      hostPath: subPath ? await resolveSubPath(volume.path, subPath) : volume.path,
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
      readOnly: mount.readOnly === true || volume.readOnly,
      ...(volume.noExec && { noExec: true }),
      ...(mount.mountPropagation && { propagation: mount.mountPropagation as 'None' }),
    });
  }
  const terminationLog = `${podDirectory(work)}/containers/${container.name}/${attempt}`;
  await mkdir(dirname(terminationLog), { recursive: true, mode: 0o755 });
  await writeFile(terminationLog, '');
  await chmod(terminationLog, 0o666);
  mounts.push({
    hostPath: terminationLog,
    containerPath: container.terminationMessagePath || '/dev/termination-log',
    readOnly: false,
  });
  return { mounts, terminationLog };
}

function expandStrictly(expression: string, values: Map<string, string>): string {
  return expand(expression, (name) => {
    const value = values.get(name);
    if (value === undefined)
      throw new Error(`subPathExpr "${expression}" names ${name}, which the container does not have`);
    return value;
  });
}
