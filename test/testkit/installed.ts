/** Images of servers that are installed on this machine: the program, the libraries that it is linked with, busybox below it. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { imageArchive } from './archive.ts';
import { busyboxTree } from './busybox.ts';

export interface Installed {
  name: string;
  /** Where each file comes from, and where the image has it. */
  programs: Record<string, string>;
  /** Files and folders that programs open by name, such as /etc/mime.types; at the same place in the image. */
  files?: readonly string[];
  config: Record<string, unknown>;
}

/** Returns the archive's file. */
export function installedArchive(directory: string, { name, programs, files = [], config }: Installed): string {
  const tree = join(directory, 'program');
  const take = (from: string, to: string) => {
    mkdirSync(dirname(join(tree, to)), { recursive: true });
    if (statSync(from).isDirectory()) cpSync(from, join(tree, to), { recursive: true, dereference: true });
    else copyFileSync(from, join(tree, to));
  };
  for (const [from, to] of Object.entries(programs)) {
    take(from, to);
    for (const library of librariesOf(from)) take(library, library);
  }
  for (const file of files) take(file, file);
  return imageArchive(join(directory, 'image'), {
    name,
    layers: [busyboxTree(join(directory, 'base')), tree],
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/bin'], ...config },
  });
}

/** With the loader itself. */
function librariesOf(program: string): string[] {
  const printed = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...printed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
}
