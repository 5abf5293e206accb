/** A small image that the test makes itself: busybox under its usual names, as an archive that any engine could have written. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const applets = [
  'sh',
  'cat',
  'echo',
  'env',
  'hostname',
  'httpd',
  'id',
  'ls',
  'mkdir',
  'nc',
  'nslookup',
  'ps',
  'sleep',
  'test',
  'touch',
  'true',
  'wget',
];

/** Returns the archive's file. */
export function busyboxArchive(directory: string, name: string): string {
  const tree = join(directory, 'tree');
  for (const folder of ['bin', 'etc', 'tmp', 'www']) mkdirSync(join(tree, folder), { recursive: true });
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  chmodSync(join(tree, 'tmp'), 0o1777);
  chmodSync(join(tree, 'www'), 0o777);
  for (const applet of applets) symlinkSync('busybox', join(tree, 'bin', applet));
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  execFileSync('tar', ['-C', tree, '-cf', join(directory, 'layer.tar'), '.']);
  const digest = createHash('sha256')
    .update(readFileSync(join(directory, 'layer.tar')))
    .digest('hex');
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(directory, 'busybox.tar');
  execFileSync('tar', ['-C', directory, '-cf', archive, 'layer.tar', 'config.json', 'manifest.json']);
  return archive;
}
