/** A /dev for programs that run in a user namespace: those of the host's devices that everybody may use. */
import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Binding } from './script.ts';

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const links = { ptmx: 'pts/ptmx', fd: '/proc/self/fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2' };

/** Fills `directory` and says what is mounted to make it the container's /dev. */
export async function makeDevices(directory: string, rootfs: string): Promise<Binding[]> {
  for (const name of ['pts', 'shm']) await mkdir(join(directory, name), { recursive: true, mode: 0o1777 });
  for (const name of devices) await writeFile(join(directory, name), '');
  for (const [name, target] of Object.entries(links))
    await symlink(target, join(directory, name)).catch(() => undefined);
  for (const name of ['dev', 'proc', 'sys']) await mkdir(join(rootfs, name), { recursive: true });
  const bind = (source: string, target: string) => ({ source, target: join(rootfs, target), readOnly: false });
  return [
    bind(directory, 'dev'),
    ...[...devices, 'pts'].map((name) => bind(`/dev/${name}`, `dev/${name}`)),
    bind('/sys', 'sys'),
  ];
}

/** An empty file or directory, as what will be mounted over it. */
export async function makeTarget(source: string, target: string): Promise<void> {
  const directory = (await stat(source)).isDirectory();
  await mkdir(directory ? target : dirname(target), { recursive: true });
  if (!directory) await writeFile(target, '', { flag: 'a' });
}
