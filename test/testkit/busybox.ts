/** A small image that the test makes itself: busybox under its usual names. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageArchive } from './archive.ts';

/** A folder that holds busybox and the few files that programs expect. */
export function busyboxTree(directory: string): string {
  const tree = join(directory, 'tree');
  for (const folder of ['bin', 'etc', 'tmp', 'www']) mkdirSync(join(tree, folder), { recursive: true });
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  chmodSync(join(tree, 'tmp'), 0o1777);
  chmodSync(join(tree, 'www'), 0o777);
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(tree, 'bin', applet));
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  return tree;
}

/** Returns the archive's file. */
export function busyboxArchive(directory: string, name: string): string {
  const config = { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] };
  return imageArchive(directory, { name, layers: [busyboxTree(directory)], config });
}
