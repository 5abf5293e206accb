/** The kernel settings that the bridge network needs, set one interface at a time and said. */
import { readFile, writeFile } from 'node:fs/promises';

const fileOf = (interfaceName: string, setting: string) => `/proc/sys/net/ipv4/conf/${interfaceName}/${setting}`;

/** Resolves with whether it had to be changed. */
export async function setInterfaceSetting(interfaceName: string, setting: string, value: string): Promise<boolean> {
  const file = fileOf(interfaceName, setting);
  if ((await readFile(file, 'utf8')).trim() === value) return false;
  try {
    await writeFile(file, value);
  } catch (error) {
    throw new Error(
      `cannot set net.ipv4.conf.${interfaceName}.${setting} to ${value} (${(error as Error).message}); set it yourself with sysctl, or use the process runtime`,
      { cause: error },
    );
  }
  return true;
}
