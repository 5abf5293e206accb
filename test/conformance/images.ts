/**
 * The images that the suite asks for, assembled from what can be had without a registry: programs of upstream's module,
 * Debian's packages, programs of this machine. README.md says which of them stand in for others.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { upstreamFolder } from './build.ts';
import { places } from './places.ts';

interface Layer {
  file: string;
  digest: string;
}

const suite = 'registry.k8s.io/e2e-test-images';
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Not installed: fetched and unpacked aside. */
const packages = ['bind9-dnsutils', 'bind9-libs', 'netcat-openbsd', 'libuv1', 'libmaxminddb0', 'libnghttp2-14'];
const libraries = ['liblmdb0', 'libprotobuf-c1', 'libfstrm0', 'libbsd0', 'libmd0', 'libjson-c5', 'libedit2'];

/** Returns the file of an archive that holds them all. */
export function images(): string {
  const archive = join(places.images, 'images.tar');
  if (existsSync(archive)) return archive;
  rmSync(places.images, { recursive: true, force: true });
  mkdirSync(places.images, { recursive: true });
  const base = layer('base', busybox);
  const tools = layer('tools', debianTools);
  const agnhost = layer('agnhost', agnhostFiles);
  const agnhostImage = [base, tools, agnhost];
  const run = { Entrypoint: ['/agnhost'], Cmd: ['pause'], Env: [path], WorkingDir: '/' };
  const picture = (name: string) => [...agnhostImage, layer(name, (tree) => pictureFiles(tree, name))];
  const web = existsSync('/usr/sbin/nginx')
    ? { layers: [base, layer('nginx', nginxFiles)], config: { Env: [path], Cmd: ['nginx', '-g', 'daemon off;'] } }
    : { layers: agnhostImage, config: { ...run, Cmd: ['netexec', '--http-port=80'] } };
  const list = [
    { name: `${suite}/agnhost:2.63.0`, layers: agnhostImage, config: run },
    { name: `${suite}/agnhost:2.55`, layers: agnhostImage, config: run },
    { name: `${suite}/busybox:1.37.0-1`, layers: [base], config: { Env: [path], Cmd: ['sh'] } },
    { name: `${suite}/busybox:1.36.1-1`, layers: [base], config: { Env: [path], Cmd: ['sh'] } },
    { name: `${suite}/glibc-dns-testing:2.0.0`, layers: agnhostImage, config: { Env: [path], Cmd: ['bash'] } },
    {
      name: `${suite}/nonewprivs:1.4`,
      layers: [base, layer('nonewprivs', nonewprivsFiles)],
      config: { Cmd: ['nnp'], Env: [path] },
    },
    { name: `${suite}/nonroot:1.5`, layers: agnhostImage, config: { ...run, User: '1234' } },
    { name: `${suite}/nautilus:1.8`, layers: picture('nautilus'), config: { ...run, Cmd: ['test-webserver'] } },
    { name: `${suite}/kitten:1.8`, layers: picture('kitten'), config: { ...run, Cmd: ['test-webserver'] } },
    { name: `${suite}/nginx:1.27-0`, ...web },
    { name: `${suite}/nginx:1.15-4`, ...web },
    { name: 'registry.k8s.io/pause:3.10.2', layers: [agnhost], config: { Entrypoint: ['/agnhost', 'pause'] } },
    {
      name: `${suite}/sample-apiserver:1.29.2`,
      layers: [base, layer('sample-apiserver', (tree) => program(tree, 'sample-apiserver'))],
      config: { Entrypoint: ['/sample-apiserver'], Env: [path] },
    },
    ...(existsSync('/usr/bin/etcd')
      ? [{ name: 'registry.k8s.io/etcd:3.6.8-0', layers: [base, layer('etcd', etcdFiles)], config: { Env: [path] } }]
      : []),
  ];
  writeArchive(archive, list);
  return archive;
}

function writeArchive(archive: string, list: { name: string; layers: Layer[]; config: object }[]): void {
  const manifest = list.map(({ name, layers, config }) => {
    const document = {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      // two images of the same files are two images
      config: { ...config, Labels: { name } },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    };
    const text = JSON.stringify(document);
    const file = `${createHash('sha256').update(text).digest('hex')}.json`;
    writeFileSync(join(places.images, file), text);
    return { Config: file, RepoTags: [name], Layers: layers.map((one) => one.file) };
  });
  writeFileSync(join(places.images, 'manifest.json'), JSON.stringify(manifest));
  const members = ['manifest.json', ...new Set(manifest.flatMap(({ Config, Layers }) => [Config, ...Layers]))];
  execFileSync('tar', ['-C', places.images, '-cf', `${archive}.new`, ...members]);
  execFileSync('mv', [`${archive}.new`, archive]);
}

function layer(name: string, fill: (tree: string) => void): Layer {
  const tree = join(places.images, name);
  mkdirSync(tree);
  fill(tree);
  const file = `${name}.tar`;
  execFileSync('tar', ['-C', tree, '--owner=0', '--group=0', '-cf', join(places.images, file), '.']);
  const digest = createHash('sha256')
    .update(readFileSync(join(places.images, file)))
    .digest('hex');
  return { file, digest };
}

function put(tree: string, from: string, to: string): void {
  mkdirSync(dirname(join(tree, to)), { recursive: true });
  copyFileSync(from, join(tree, to));
}

function program(tree: string, name: string): void {
  put(tree, join(places.bin, name), name);
}

function busybox(tree: string): void {
  for (const folder of ['bin', 'etc', 'tmp', 'root', 'home', 'var/run', 'usr/bin', 'usr/sbin', 'sbin'])
    mkdirSync(join(tree, folder), { recursive: true });
  put(tree, '/bin/busybox', 'bin/busybox');
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets)
    if (!['busybox', 'sh'].includes(applet)) symlinkSync('busybox', join(tree, 'bin', applet));
  // Debian's busybox shell drops variables that are not names of the shell's; the suite's does not
  linked(tree, '/bin/bash', 'bin/bash');
  symlinkSync('bash', join(tree, 'bin/sh'));
  chmodSync(join(tree, 'tmp'), 0o1777);
  const users = ['root:x:0:0:root:/root:/bin/sh', 'user-defined-in-image:x:1000:1000::/home:/bin/sh'];
  const groups = ['root:x:0:', 'user-defined-in-image:x:1000:', 'group-defined-in-image:x:50000:user-defined-in-image'];
  writeFileSync(join(tree, 'etc/passwd'), [...users, 'nobody:x:65534:65534:nobody:/:/bin/false', ''].join('\n'));
  writeFileSync(join(tree, 'etc/group'), [...groups, 'nogroup:x:65534:', ''].join('\n'));
}

function agnhostFiles(tree: string): void {
  program(tree, 'agnhost');
  symlinkSync('agnhost', join(tree, 'agnhost-2'));
  mkdirSync(join(tree, 'uploads'));
  const porter = join(upstreamFolder(), 'test/images/agnhost/porter');
  for (const file of ['localhost.crt', 'localhost.key']) put(tree, join(porter, file), file);
}

function nonewprivsFiles(tree: string): void {
  put(tree, join(places.bin, 'nonewprivs'), 'usr/local/bin/nnp');
  chmodSync(join(tree, 'usr/local/bin/nnp'), 0o6755);
}

function debianTools(tree: string): void {
  mkdirSync(places.packages, { recursive: true });
  const wanted = [...packages, ...libraries];
  execFileSync('apt-get', ['download', ...wanted], { cwd: places.packages, stdio: 'ignore' });
  const root = join(places.packages, 'root');
  for (const file of readdirSync(places.packages))
    if (file.endsWith('.deb')) execFileSync('dpkg', ['-x', join(places.packages, file), root]);
  linked(tree, join(root, 'usr/bin/dig'), 'usr/bin/dig');
  linked(tree, join(root, 'bin/nc.openbsd'), 'usr/bin/nc');
  linked(tree, '/usr/bin/curl', 'usr/bin/curl');
  linked(tree, '/usr/bin/ss', 'usr/bin/ss');
  linked(tree, '/usr/bin/getent', 'usr/bin/getent');
}

/** With the libraries that it is linked with, and the loader. */
function linked(tree: string, from: string, to: string): void {
  put(tree, from, to);
  const folders = execFileSync('sh', [
    '-c',
    'ls -d "$1"/root/usr/lib/*/ "$1"/root/lib/*/ 2>/dev/null || true',
    'sh',
    places.packages,
  ]);
  const env = { ...process.env, LD_LIBRARY_PATH: String(folders).trim().split('\n').join(':') };
  const printed = execFileSync('ldd', [from], { encoding: 'utf8', env });
  for (const [, name, found] of printed.matchAll(/(\S+) => (\/\S+) \(0x/g))
    put(tree, found!, found!.startsWith(places.packages) ? `usr/lib/${archFolder()}/${name}` : found!);
  for (const [, loader] of printed.matchAll(/^\s+(\/\S+) \(0x/gm)) put(tree, loader!, loader!);
}

function archFolder(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}

function nginxFiles(tree: string): void {
  linked(tree, '/usr/sbin/nginx', 'usr/sbin/nginx');
  const conf = [
    'user root;',
    'events {}',
    'http { access_log /dev/stdout; server { listen 80; root /usr/share/nginx/html; } }',
  ];
  for (const folder of ['etc/nginx', 'usr/share/nginx/html', 'var/log/nginx', 'var/lib/nginx', 'run'])
    mkdirSync(join(tree, folder), { recursive: true });
  writeFileSync(join(tree, 'etc/nginx/nginx.conf'), `${conf.join('\n')}\n`);
  writeFileSync(join(tree, 'usr/share/nginx/html/index.html'), '<title>Welcome to nginx!</title>\n');
}

function etcdFiles(tree: string): void {
  linked(tree, '/usr/bin/etcd', 'usr/local/bin/etcd');
}

function pictureFiles(tree: string, name: string): void {
  writeFileSync(join(tree, 'data.json'), `${JSON.stringify({ image: `${name}.jpg` })}\n`);
  writeFileSync(join(tree, `${name}.jpg`), name);
  // what upstream's is made on
  mkdirSync(join(tree, 'etc'));
  writeFileSync(join(tree, 'etc/os-release'), 'NAME="Alpine Linux"\nID=alpine\n');
}
