/** What the machine says of itself; '' where it does not. */
import { readFile, statfs } from 'node:fs/promises';

export interface Machine {
  machineID: string;
  systemUUID: string;
  bootID: string;
  osImage: string;
}

const read = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();

export async function readMachine(): Promise<Machine> {
  const [machineID, systemUUID, bootID, os] = await Promise.all([
    read('/etc/machine-id'),
    read('/sys/class/dmi/id/product_uuid'),
    read('/proc/sys/kernel/random/boot_id'),
    read('/etc/os-release'),
  ]);
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(os)?.[1] ?? process.platform;
  return { machineID, systemUUID: systemUUID || machineID, bootID, osImage: name };
}

/** Size of the file system that holds this directory, and what is left of it, in bytes; undefined when that cannot be told. */
export async function diskBytes(directory: string): Promise<{ total: number; free: number } | undefined> {
  const stats = await statfs(directory).catch(() => undefined);
  return stats && { total: stats.blocks * stats.bsize, free: stats.bavail * stats.bsize };
}
