import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, buildImage, Images, type RunRequest } from '../index.ts';
import { random, realClock } from '../testing/clock.ts';
import { chunksOf, directory, file, makeImage, symlink as linkPart, tarOf, temporary } from '../testing/fixture.ts';
import { parseDockerfile } from './dockerfile.ts';
import { parseIgnore } from './patterns.ts';
import { expand, pairs, words } from './words.ts';

const isRoot = process.getuid?.() === 0;
const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((each) => existsSync(each));
let home: Awaited<ReturnType<typeof temporary>>;
let images: Images;
before(async () => {
  home = await temporary();
  images = await Images.open({ root: path.join(home.path, 'store'), clock: realClock, random });
});
after(async () => {
  images.close();
  await home[Symbol.asyncDispose]();
});

let folders = 0;
async function folder(files: Record<string, string>): Promise<string> {
  const made = path.join(home.path, `context-${(folders += 1)}`);
  await mkdir(made);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(made, name)), { recursive: true });
    await writeFile(path.join(made, name), content);
  }
  return made;
}

const build = (context: string, more: Partial<BuildOptions> = {}) =>
  buildImage({ images, context, name: 'test', ...more });

async function inside<T>(imageId: string, work: (rootfs: string) => Promise<T>): Promise<T> {
  const id = `test-${(folders += 1)}`;
  try {
    return await work(await images.prepareRootfs(imageId, id));
  } finally {
    await images.removeRootfs(id);
  }
}

/** Stands for the OCI runtime: the program in the image's files, with none of the host's in sight. */
function chrooted({ rootfs, argv, env, cwd }: Pick<RunRequest, 'rootfs' | 'argv' | 'env' | 'cwd'>) {
  const vars = Object.fromEntries(
    env.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
  return spawn('/usr/sbin/chroot', ['--userspec=65532:65532', rootfs, ...argv], {
    env: vars,
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ReturnType<typeof chrooted>): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim();
  return '';
}

function needsHostBase(t: TestContext): boolean {
  if (isRoot && process.platform === 'linux' && existsSync('/usr/sbin/chroot')) return false;
  t.skip('running in an image needs root and chroot');
  return true;
}

test('a Node app runs on a base made from this machine', async (t) => {
  if (needsHostBase(t)) return;
  const app = {
    'package.json': '{"scripts":{"start":"node main.js --flag"}}',
    'main.js': 'console.log(process.argv[2], process.version, process.env.PORT)',
    '.env': 'SECRET=1',
  };
  const context = await folder(app);
  await chmod(path.join(context, 'main.js'), 0o600);
  const image = await build(context);
  assert.deepEqual(image.exposedPorts, ['8080/tcp']);
  assert.equal(image.user, '65532:65532');
  assert.equal(image.workingDir, '/app');
  await inside(image.id, async (rootfs) => {
    const argv = image.cmd.map((each, at) =>
      at === 0
        ? '/usr/local/bin/node'
        : each.replace(/^\.\/|^main/, (start) => `/app/${start === 'main' ? 'main' : ''}`),
    );
    assert.equal(
      await firstLine(chrooted({ rootfs, argv, env: image.env, cwd: '/' })),
      `--flag ${process.version} 8080`,
    );
    assert.equal(existsSync(path.join(rootfs, 'app/.env')), false, 'secrets of development are left out');
  });
  const lines: string[] = [];
  const again = await build(context, { onProgress: (line) => lines.push(line) });
  assert.equal(again.id, image.id);
  assert.equal(lines.filter((line) => line.endsWith('(cached)')).length, 4);
  assert.equal((await build(context, { noCache: true })).id, image.id, 'the same inputs give the same image');
});

test('a static folder is served', async (t) => {
  if (needsHostBase(t)) return;
  const context = await folder({
    'index.html': '<p>hello',
    'sub/index.html': 'sub',
    '.git/config': 'hidden',
    'a b.css': 'x',
  });
  const image = await build(context);
  await inside(image.id, async (rootfs) => {
    const child = chrooted({
      rootfs,
      argv: ['/usr/local/bin/node', '/app/.glasshouse/server.mjs'],
      env: ['PORT=0'],
      cwd: '/',
    });
    try {
      const port = /port (\d+)/.exec(await firstLine(child))?.[1];
      const get = async (at: string) => {
        const answer = await fetch(`http://127.0.0.1:${port}${at}`, { redirect: 'manual' });
        return [answer.status, answer.status === 301 ? answer.headers.get('location') : await answer.text()];
      };
      assert.deepEqual(await get('/'), [200, '<p>hello']);
      assert.deepEqual(await get('/sub'), [301, '/sub/']);
      assert.deepEqual(await get('/a%20b.css?x'), [200, 'x']);
      assert.equal((await get('/%2e%2e/.glasshouse/server.mjs'))[0], 404);
      assert.equal((await get('/%zz'))[0], 400);
      assert.equal((await get('/none'))[0], 404);
    } finally {
      child.kill();
    }
  });
});

test('one program becomes an image with the libraries it needs', async (t) => {
  if (needsHostBase(t)) return;
  const context = await folder({});
  await copyFile('/bin/ls', path.join(context, 'lister'));
  const image = await build(context);
  assert.deepEqual(image.entrypoint, ['/app/lister']);
  await inside(image.id, async (rootfs) =>
    assert.equal(await firstLine(chrooted({ rootfs, argv: ['/app/lister', '/app'], env: [], cwd: '/' })), 'lister'),
  );
});

test('RUN changes become a layer: files made, changed, and removed', async (t) => {
  if (needsHostBase(t)) return;
  if (!busybox) return t.skip('busybox is not installed');
  const context = await folder({
    Dockerfile: `FROM scratch AS base
COPY busybox /bin/busybox
COPY kept gone /data/
ARG WHO=world
ENV GREETING=hello
SHELL ["/bin/busybox", "sh", "-c"]
RUN /bin/busybox rm /data/gone && \\
    echo "$GREETING $WHO" > /data/made
RUN <<EOF
echo more >> /data/kept
EOF
FROM scratch
COPY --from=base /data /out
CMD ["/x"]
`,
    kept: 'kept\n',
    gone: 'gone\n',
  });
  await copyFile(busybox, path.join(context, 'busybox'));
  await chmod(path.join(context, 'busybox'), 0o755);
  const run = async (request: RunRequest) => {
    const child = spawn('/usr/sbin/chroot', [request.rootfs, ...request.argv], {
      stdio: 'inherit',
      env: Object.fromEntries(request.env.map((each) => each.split('='))),
    });
    return await new Promise<number>((done) => child.on('close', (code) => done(code ?? -1)));
  };
  const image = await build(context, { run, buildArgs: { WHO: 'you' } });
  await inside(image.id, async (rootfs) => {
    assert.equal(await readFile(path.join(rootfs, 'out/made'), 'utf8'), 'hello you\n');
    assert.equal(await readFile(path.join(rootfs, 'out/kept'), 'utf8'), 'kept\nmore\n');
    assert.equal(existsSync(path.join(rootfs, 'out/gone')), false);
  });
  await assert.rejects(build(context), /line 7: RUN needs an OCI runtime/);
  await assert.rejects(build(context, { run: async () => 3, noCache: true }), /line 7: RUN ended with exit code 3/);
  assert.deepEqual(await images.rootfs.list(), []);
});

async function treeOf(imageId: string): Promise<Record<string, string>> {
  const { readdirSync, lstatSync, readFileSync } = await import('node:fs');
  return await inside(imageId, async (rootfs) => {
    const found: Record<string, string> = {};
    for (const name of readdirSync(rootfs, { recursive: true }) as string[]) {
      const info = lstatSync(path.join(rootfs, name));
      if (info.isFile()) found[name] = readFileSync(path.join(rootfs, name), 'utf8');
    }
    return found;
  });
}

const copies: [string, string, Record<string, string>][] = [
  ['a file to a name', 'COPY a /x/b', { 'x/b': 'a' }],
  ['a file into a directory', 'COPY a /x/', { 'x/a': 'a' }],
  ['a file into the working directory', 'WORKDIR /w\nCOPY a .', { 'w/a': 'a' }],
  ['a file to a directory that is there', 'WORKDIR /w\nCOPY a /w', { 'w/a': 'a' }],
  ['the content of a directory', 'COPY d /x', { 'x/b': 'b', 'x/e/c': 'c' }],
  ['a pattern', 'COPY a* d/* /x/', { 'x/a': 'a', 'x/b': 'b', 'x/c': 'c' }],
  ['from the JSON form', 'COPY ["a", "/with space"]', { 'with space': 'a' }],
  ['a here-document', 'ARG V=1\nCOPY <<END /f\nv=$V\nEND', { f: 'v=1\n' }],
  ['a quoted here-document', 'COPY <<"END" /f\nv=$V\nEND', { f: 'v=$V\n' }],
  ['with variables', 'ENV TO=/x\nCOPY a ${TO}/${NAME:-y}', { 'x/y': 'a' }],
];
for (const [name, lines, expected] of copies)
  test(`COPY ${name}`, async () => {
    const context = await folder({
      Dockerfile: `FROM scratch\n${lines}\n`,
      a: 'a',
      'd/b': 'b',
      'd/e/c': 'c',
      '.dockerignore': 'Dockerfile',
    });
    assert.deepEqual(await treeOf((await build(context)).id), expected);
  });

test('ADD unpacks local archives and refuses addresses', async () => {
  const context = await folder({ Dockerfile: 'FROM scratch\nADD in.tgz /x/\nADD plain.gz /x/\n' });
  await writeFile(path.join(context, 'in.tgz'), gzipSync(await tarOf([directory('d'), file('d/f', 'inside')])));
  await writeFile(path.join(context, 'plain.gz'), gzipSync('text'));
  assert.deepEqual(Object.keys(await treeOf((await build(context)).id)).toSorted(), ['x/d/f', 'x/plain.gz']);
  const remote = await folder({ Dockerfile: 'FROM scratch\nADD https://example.com/x /x\n' });
  await assert.rejects(build(remote), /line 2: ADD https:\/\/example.com\/x is not supported/);
});

test('copies follow links of the image below, keep out of the host, and take owners by name', async (t) => {
  if (!isRoot) return t.skip('owners need root');
  const made = await makeImage([
    [
      directory('usr'),
      directory('usr/bin'),
      linkPart('bin', 'usr/bin'),
      directory('etc'),
      file('etc/passwd', 'app:x:77:78::/:\n'),
    ],
  ]);
  const archive = [...made.blobs].map(([digest, bytes]) => file(`blobs/${digest.replace(':', '/')}`, bytes));
  const index = {
    schemaVersion: 2,
    manifests: [{ ...made.manifest, annotations: { 'org.opencontainers.image.ref.name': 'base:1' } }],
  };
  await images.importArchive(chunksOf(await tarOf([...archive, file('index.json', JSON.stringify(index))])));
  const context = await folder({ Dockerfile: 'FROM base:1\nCOPY --chown=app --chmod=0711 a /bin/a\n', a: 'a' });
  await inside((await build(context)).id, async (rootfs) => {
    const info = await stat(path.join(rootfs, 'bin/a'));
    assert.deepEqual([info.uid, info.gid, info.mode & 0o777], [77, 78, 0o711]);
  });
  const leaky = await folder({ Dockerfile: 'FROM scratch\nCOPY link/hostname /x\n' });
  await symlink('/etc', path.join(leaky, 'link'));
  await assert.rejects(build(leaky), /there is no "link\/hostname" to copy/);
});

const mistakes: [string, string, RegExp][] = [
  ['an unknown instruction', 'FROM scratch\nCOPPY a b', /line 2: unknown instruction "COPPY"/],
  ['no FROM', 'ENV a=b', /line 1: ENV comes before the first FROM/],
  ['ONBUILD', 'FROM scratch\nONBUILD COPY a b', /ONBUILD is not supported/],
  ['a missing source', 'FROM scratch\nCOPY none /', /line 2: COPY: there is no "none" to copy/],
  ['an open here-document', 'FROM scratch\nCOPY <<END /f\nx', /here-document END has no end/],
  ['a bad substitution', 'FROM scratch\nENV a=${b^^}', /line 2: ENV: .* is not a substitution/],
  ['a bad port', 'FROM scratch\nEXPOSE 99999', /EXPOSE "99999" is not a port/],
];
for (const [name, text, message] of mistakes)
  test(`a Dockerfile with ${name} is refused by its line`, async () => {
    await assert.rejects(build(await folder({ Dockerfile: text })), message);
  });

test('folders that cannot be built say why', async () => {
  await assert.rejects(
    build(await folder({ 'a.txt': '' })),
    /no Dockerfile, no package.json, no index.html, and no ELF program/,
  );
  await assert.rejects(
    build(await folder({ 'package.json': '{"main":"a.js","dependencies":{"x":"1"}}' })),
    /run "npm install" there first/,
  );
  await assert.rejects(
    build(await folder({ 'package.json': '{"scripts":{"start":"tsc && node a"}}' })),
    /needs a shell/,
  );
  await assert.rejects(build(path.join(home.path, 'nowhere')), /does not exist/);
});

test('configuration instructions arrive in the image', async () => {
  const context = await folder({
    Dockerfile: `# escape=\`
FROM scratch
LABEL a="1 2" b=3
EXPOSE 53/udp 8000-8001
STOPSIGNAL SIGQUIT
USER 5
ENTRYPOINT ["/e", "$HOME"]
CMD one \`
  # a comment between
  two
HEALTHCHECK --interval=1m30s CMD ["/h"]
`,
  });
  const image = await build(context);
  assert.deepEqual(image.labels, { a: '1 2', b: '3' });
  assert.deepEqual(image.exposedPorts, ['53/udp', '8000/tcp', '8001/tcp']);
  assert.deepEqual([image.stopSignal, image.user, image.entrypoint], ['SIGQUIT', '5', ['/e', '$HOME']]);
  assert.deepEqual(image.cmd, ['/bin/sh', '-c', 'one   two']);
  assert.equal((await images.catalog.find(image.id))?.config.config?.Healthcheck?.Interval, 90e9);
});

test('words, pairs and variables are read as a shell would', () => {
  const lookup = (name: string) => ({ a: '1', empty: '' })[name];
  assert.equal(
    expand("$a ${a} \\$a '$a' ${empty:-x} ${empty-x} ${no:-${a}} ${a:+y} $no.", lookup),
    "1 1 $a '$a' x  1 y .",
  );
  assert.deepEqual(words(`a "b c" d\\ e ''`), ['a', 'b c', 'd e', '']);
  assert.deepEqual(pairs('a=b "c d"=e'), [
    ['a', 'b'],
    ['c d', 'e'],
  ]);
  assert.deepEqual(pairs('name some value'), [['name', 'some value']]);
  assert.equal(parseDockerfile('FROM a \\\n\n  AS b').instructions[0]?.rest, 'a   AS b');
});

test('.dockerignore: the last line that fits decides', () => {
  const ignore = parseIgnore('# comment\n**/*.log\nnode_modules\n!node_modules/keep\n/dist/*\n');
  const ignored = ['a.log', 'x/y.log', 'node_modules', 'node_modules/a/b', 'dist/a'].filter((each) => !ignore(each));
  assert.deepEqual(ignored, []);
  assert.deepEqual(['node_modules/keep', 'dist', 'x/node_modules'].filter(ignore), []);
});
