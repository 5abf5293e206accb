/** Where a container's command is: in the image first, as the image's own PATH says, then on the host's. */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../findprogram.ts';
import { resolveInRoot } from '../rootpath.ts';

/** Where on the host the program `name` of a root filesystem lies; undefined when it is not there. */
export async function findInRoot(
  rootfs: string,
  name: string,
  path: string,
  workingDir: string,
): Promise<string | undefined> {
  const places = name.startsWith('/')
    ? [name]
    : name.includes('/')
      ? [join(workingDir, name)]
      : path.split(':').map((directory) => join(directory || '/', name));
  for (const place of places) {
    const real = await resolveInRoot(rootfs, place);
    const found = await stat(real).catch(() => undefined);
    if (found?.isFile() && (found.mode & 0o111) !== 0) return asNamed(rootfs, place, real);
  }
  return undefined;
}

/** Under the name it was asked by where that leads to the same file: some programs act by their name. */
async function asNamed(rootfs: string, place: string, real: string): Promise<string> {
  const named = join(rootfs, place);
  return (await realpath(named).catch(() => '')) === (await realpath(real)) ? named : real;
}

/** For programs that run on the host's filesystem. */
export async function findOnHost(
  rootfs: string,
  name: string,
  path: string,
  workingDir: string,
): Promise<string | undefined> {
  return (await findInRoot(rootfs, name, path, workingDir)) ?? findProgram(name);
}
