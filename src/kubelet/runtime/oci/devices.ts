/** The host's device nodes, which a privileged container sees. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from './spec.ts';

const typeMask = 0o170000;
const blockType = 0o060000;
const maximumDepth = 4;
/** The container has its own of these. */
const own = new Set(['/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd', '/dev/console', '/dev/ptmx', '/dev/.lxc']);

export async function hostDevices(directory = '/dev', depth = 0): Promise<Device[]> {
  const found: Device[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    if (own.has(path)) continue;
    if (entry.isDirectory() && depth < maximumDepth) found.push(...(await hostDevices(path, depth + 1)));
    else if (entry.isCharacterDevice() || entry.isBlockDevice()) found.push(await describe(path));
  }
  return found;
}

async function describe(path: string): Promise<Device> {
  const { mode, rdev, uid, gid } = await lstat(path);
  const type = (mode & typeMask) === blockType ? 'b' : 'c';
  return { path, type, major: majorOf(rdev), minor: minorOf(rdev), fileMode: mode & 0o777, uid, gid };
}

/** As glibc's gnu_dev_major and gnu_dev_minor split the number. */
function majorOf(device: number): number {
  const number = BigInt(device);
  return Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn));
}

function minorOf(device: number): number {
  const number = BigInt(device);
  return Number((number & 0xffn) | ((number >> 12n) & ~0xffn));
}
