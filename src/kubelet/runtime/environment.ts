/** A container's environment: the image's variables below its own, and those that programs expect to be there. */
import type { ContainerConfig } from './runtime.ts';
import type { Image } from './services.ts';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function environmentOf(
  container: ContainerConfig,
  image: Image,
  hostname: string,
  home: string,
  more: Record<string, string> = {},
): [name: string, value: string][] {
  const values = new Map(Object.entries({ PATH: defaultPath, HOSTNAME: hostname, HOME: home, ...more }));
  if (container.tty) values.set('TERM', 'xterm');
  for (const line of image.env) {
    const cut = line.indexOf('=');
    if (cut > 0) values.set(line.slice(0, cut), line.slice(cut + 1));
  }
  for (const { name, value } of container.env) values.set(name, value);
  return [...values];
}
