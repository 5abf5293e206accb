/** A container's bundle: its root filesystem and the `config.json` beside it. */
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentOf } from '../environment.ts';
import { readText } from '../procfs.ts';
import type { SandboxRecord } from '../records.ts';
import { mkdirInRoot } from '../rootpath.ts';
import { type ContainerConfig, RuntimeError } from '../runtime.ts';
import type { Image } from '../services.ts';
import { resolveUser } from '../user.ts';
import { availableCapabilities, capabilitiesFor } from './capabilities.ts';
import { hostDevices } from './devices.ts';
import { namespacesOf, podMounts } from './sandbox.ts';
import { profileFor } from './seccomp.ts';
import { ociSpec } from './spec.ts';

const openFiles = 1_048_576;

export interface BundleInput {
  directory: string;
  sandboxDirectory: string;
  sandbox: SandboxRecord;
  container: ContainerConfig;
  image: Image;
  rootfs: string;
  cgroupsPath: string;
  seccompDirectory: string;
  limitSwap: boolean;
}

/** Rejects with `CreateContainerError`. */
export async function writeBundle(input: BundleInput): Promise<void> {
  const { container, image, rootfs, sandbox } = input;
  for (const mount of container.mounts) await mustExist(mount.hostPath, mount.containerPath);
  const user = await resolveUser(rootfs, container.security, image.user);
  const available = availableCapabilities();
  const capabilities = capabilitiesFor(container.security, available);
  const workingDir = container.workingDir || image.workingDir || '/';
  await mkdirInRoot(rootfs, workingDir);
  const readOnly = container.security.readOnlyRootFilesystem ?? false;
  const spec = ociSpec({
    sandbox: sandbox.config,
    container,
    rootfs,
    user,
    capabilities,
    seccomp: await profileFor(container.security, capabilities, input.seccompDirectory),
    cgroupsPath: input.cgroupsPath,
    resources: container.resources,
    limitSwap: input.limitSwap,
    minimumOomScoreAdj: available.has('CAP_SYS_RESOURCE') ? -1000 : Number(readText('/proc/self/oom_score_adj') ?? 0),
    maximumOpenFiles: Math.min(openFiles, hardLimitOfFiles()),
    namespaces: namespacesOf(input.sandboxDirectory, sandbox),
    podMounts: podMounts(input.sandboxDirectory, sandbox.config, readOnly),
    devices: container.security.privileged ? await hostDevices() : [],
    workingDir,
    env: environmentOf(container, image, sandbox.config.hostname, user.home).map(([name, value]) => `${name}=${value}`),
  });
  await writeFile(join(input.directory, 'config.json'), JSON.stringify(spec), { mode: 0o600 });
}

async function mustExist(hostPath: string, containerPath: string): Promise<void> {
  await access(hostPath).catch((error: unknown) => {
    throw new RuntimeError(
      'CreateContainerError',
      `cannot mount ${hostPath} at ${containerPath}: it does not exist`,
      error,
    );
  });
}

function hardLimitOfFiles(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readText('/proc/self/limits') ?? '')?.[1];
  return hard === undefined || hard === 'unlimited' ? openFiles : Number(hard);
}
