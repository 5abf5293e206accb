/** Mounts that the node makes itself: memory file systems. Only root on Linux can. */
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

export const canMount = process.platform === 'linux' && process.getuid?.() === 0;

async function mountPoints(): Promise<string[]> {
  const table = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  return table.split('\n').map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '));
}

/** A memory file system at `path`, once; `size` in bytes, `mode` octal. */
export async function mountTmpfs(path: string, size: number, mode: string): Promise<void> {
  await mkdir(path, { recursive: true });
  if ((await mountPoints()).includes(path)) return;
  const options = `size=${size},mode=${mode},nosuid,nodev`;
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { env: environment, timeout: 10_000 });
}

/** Unmounts all that is mounted at or below `path`, deepest first. */
export async function unmountAll(path: string): Promise<void> {
  if (!canMount) return;
  const below = (await mountPoints()).filter((point) => point === path || point.startsWith(`${path}/`));
  for (const point of below.toSorted((a, b) => b.length - a.length)) {
    await run('umount', [point], { env: environment, timeout: 10_000 }).catch(() =>
      run('umount', ['-l', point], { env: environment, timeout: 10_000 }),
    );
  }
}
