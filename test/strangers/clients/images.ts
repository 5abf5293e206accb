/** The images that the clients' tests ask for by their names on Docker Hub, assembled from programs of this machine. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxArchive } from '../../testkit/busybox.ts';
import { installedArchive } from '../../testkit/installed.ts';
import { places } from './places.ts';

const hub = 'docker.io/library';
const nginx = '/usr/sbin/nginx';
const python = '/usr/bin/python3';
const page = '<h1>Welcome to nginx!</h1>';
const configuration = 'events {} http { access_log off; server { listen 80; root /www; } }';
const serve = [
  'mkdir -p /var/log/nginx /var/lib/nginx /run /www',
  `echo '${page}' > /www/index.html`,
  `echo '${configuration}' > /tmp/nginx.conf`,
  'echo root:x:0: > /etc/group',
  `exec nginx -c /tmp/nginx.conf -g 'daemon off; user root;'`,
].join(' && ');

/** Returns the archives' files. */
export function images(): string[] {
  rmSync(places.images, { recursive: true, force: true });
  const folder = (name: string) => join(places.images, name);
  const nginxes = ['latest', '1.15.4', '1.10', '1.7.9'].map((tag) =>
    installedArchive(folder(`nginx-${tag}`), {
      name: `${hub}/nginx:${tag}`,
      programs: { [nginx]: 'usr/sbin/nginx' },
      config: { Cmd: ['/bin/sh', '-c', serve] },
    }),
  );
  const pythonImage = installedArchive(folder('python'), {
    name: `${hub}/python:latest`,
    programs: { [python]: 'usr/bin/python' },
    files: [libraryOf(python)],
    config: { Cmd: ['python'] },
  });
  return [busyboxArchive(folder('busybox'), `${hub}/busybox:latest`), ...nginxes, pythonImage];
}

function libraryOf(program: string): string {
  const asks = ['-c', 'import os; print(os.path.dirname(os.__file__))'];
  return execFileSync(program, asks, { encoding: 'utf8' }).trim();
}
