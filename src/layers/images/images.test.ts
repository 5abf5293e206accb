import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Images, type ImagesOptions } from './index.ts';
import { mediaTypes } from './spec.ts';
import { random, realClock } from './testing/clock.ts';
import { chunksOf, digestOf, directory, file, makeImage, symlink, temporary } from './testing/fixture.ts';
import { startRegistry } from './testing/registry.ts';

const isRoot = process.getuid?.() === 0;

async function open(root: string, more: Partial<ImagesOptions> = {}) {
  const images = await Images.open({ root, clock: realClock, random, retryDelay: 1, ...more });
  return Object.assign(images, { [Symbol.dispose]: () => images.close() });
}

const twoLayers = () =>
  makeImage(
    [
      [
        directory('etc'),
        file('etc/kept', 'kept'),
        file('etc/gone', 'gone'),
        directory('dir'),
        file('dir/old', 'old'),
        symlink('link', 'etc/kept'),
      ],
      [
        file('etc/.wh.gone', ''),
        directory('dir'),
        file('dir/.wh..wh..opq', ''),
        file('dir/new', 'new'),
        file('run', '#!/bin/sh\n', { mode: 0o755 }),
      ],
    ],
    {
      config: {
        Entrypoint: ['/run'],
        Cmd: ['a'],
        Env: ['A=1'],
        User: '65532',
        WorkingDir: '/etc',
        ExposedPorts: { '8080/tcp': {} },
        Labels: { a: 'b' },
        StopSignal: 'SIGINT',
      },
    },
  );

for (const driver of ['overlay', 'copy'] as const)
  test(`a pulled image becomes a writable root filesystem of its own per container (${driver})`, async (t) => {
    if (driver === 'overlay' && !isRoot) return t.skip('overlay mounts need root');
    await using home = await temporary();
    await using registry = await startRegistry();
    registry.add('team/app', 'v1', await twoLayers());
    using images = await open(home.path, { driver });
    const image = await images.pullImage(`${registry.host}/team/app:v1`);
    assert.deepEqual(image.entrypoint, ['/run']);
    assert.deepEqual(image.exposedPorts, ['8080/tcp']);
    const one = await images.prepareRootfs(image.id, 'one');
    const two = await images.prepareRootfs(image.id, 'two');
    try {
      assert.equal(await images.prepareRootfs(image.id, 'one'), one);
      assert.deepEqual(readdirSync(path.join(one, 'etc')), ['kept'], 'the whiteout removes a file of the lower layer');
      assert.deepEqual(readdirSync(path.join(one, 'dir')), ['new'], 'the opaque directory hides what is below');
      assert.equal(statSync(path.join(one, 'run')).mode & 0o777, 0o755);
      assert.equal(readFileSync(path.join(one, 'link'), 'utf8'), 'kept');
      writeFileSync(path.join(one, 'etc/kept'), 'changed');
      assert.equal(readFileSync(path.join(two, 'etc/kept'), 'utf8'), 'kept');
    } finally {
      await images.removeRootfs('one');
      await images.removeRootfs('two');
    }
    await images.removeRootfs('one');
    assert.deepEqual(readdirSync(path.join(home.path, 'containers')), []);
  });

test('an image of sixty layers is mounted', async (t) => {
  if (!isRoot) return t.skip('overlay mounts need root');
  await using home = await temporary();
  using images = await open(home.path);
  if ((await images.rootfs.driver()) !== 'overlay') return t.skip('overlayfs cannot be mounted here');
  await using registry = await startRegistry();
  registry.add('many', 'latest', await makeImage(Array.from({ length: 60 }, (_, n) => [file(`f${n}`, `${n}`)])));
  const image = await images.pullImage(`${registry.host}/many`);
  const root = await images.prepareRootfs(image.id, 'c');
  try {
    assert.equal(readdirSync(root).length, 60);
  } finally {
    await images.removeRootfs('c');
  }
});

for (const packing of ['gzip', 'zstd', 'none'] as const)
  test(`layers packed with ${packing} are unpacked`, async () => {
    await using home = await temporary();
    await using registry = await startRegistry();
    registry.add('app', 'latest', await makeImage([[file('a', 'x'.repeat(300_000))]], { packing }));
    using images = await open(home.path, { driver: 'copy' });
    const image = await images.pullImage(`${registry.host}/app`);
    assert.equal(readFileSync(path.join(await images.prepareRootfs(image.id, 'c'), 'a')).length, 300_000);
  });

test('a blob that does not match its digest is refused, naming both digests, and nothing is kept', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  const made = await makeImage([[file('a', 'a'.repeat(5000))]]);
  registry.add('app', 'latest', made);
  registry.fault = ({ path: at }) => (at.includes('/blobs/') ? 'corrupt' : undefined);
  using images = await open(home.path);
  await assert.rejects(images.pullImage(`${registry.host}/app`), (error: Error) => {
    assert.match(error.message, /expected sha256:[0-9a-f]{64}, got sha256:[0-9a-f]{64}/);
    return true;
  });
  assert.deepEqual(await images.listImages(), []);
  assert.deepEqual(readdirSync(path.join(home.path, 'blobs/sha256')), []);
  assert.deepEqual(readdirSync(path.join(home.path, 'ingest')), []);
});

test('a layer whose content is not what the configuration promises is refused', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  const made = await makeImage([[file('a', 'a')]]);
  const other = await makeImage([[file('a', 'b')]]);
  const manifest = JSON.parse(String(made.blobs.get(made.manifest.digest)));
  const strange = JSON.parse(String(other.blobs.get(other.manifest.digest)));
  const bytes = Buffer.from(JSON.stringify({ ...manifest, layers: strange.layers }));
  registry.add('app', 'latest', {
    ...made,
    blobs: new Map([...made.blobs, ...other.blobs, [digestOf(bytes), bytes]]),
    manifest: { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length },
  });
  using images = await open(home.path);
  await assert.rejects(
    images.pullImage(`${registry.host}/app`),
    /does not match the image's configuration: expected sha256:\w+, got sha256:/,
  );
  assert.equal(await images.imageStatus(`${registry.host}/app`), undefined);
});

test('a download that breaks goes on from where it was', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.add(
    'app',
    'latest',
    await makeImage([[file('a', Buffer.from(Array.from({ length: 400_000 }, (_, n) => (n * n) & 255)))]], {
      packing: 'none',
    }),
  );
  let cuts = 2;
  registry.fault = ({ path: at, method }) =>
    at.includes('/blobs/') && method === 'GET' && cuts-- > 0 ? 'cut' : undefined;
  using images = await open(home.path);
  await images.pullImage(`${registry.host}/app`);
  assert.ok(registry.requests.some((request) => /^bytes=[1-9]/.test(request.range ?? '')));
});

test('a busy registry is asked again, a registry that stays broken is told of', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.add('app', 'latest', await makeImage([[file('a', 'a')]]));
  let busy = 3;
  registry.fault = () => (busy-- > 0 ? [429, 503, 500][busy] : undefined);
  using images = await open(home.path);
  await images.pullImage(`${registry.host}/app`);
  registry.fault = () => 503;
  await assert.rejects(images.pullImage(`${registry.host}/app`), {
    reason: 'RegistryUnavailable',
    message: /answered 503 \(TEST: as asked\)/,
  });
});

test('a registry that falls silent is given up', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.fault = () => undefined;
  registry.add('app', 'latest', await makeImage([[file('a', 'a')]]));
  using images = await open(home.path, { idleTimeout: 50, attempts: 1 });
  const net = await import('node:net');
  const silent = net.createServer(() => undefined);
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const { port } = silent.address() as { port: number };
  await assert.rejects(images.pullImage(`127.0.0.1:${port}/app`), {
    reason: 'RegistryUnavailable',
    message: /nothing came for 50 ms/,
  });
  silent.close();
});

for (const kind of ['basic', 'token'] as const)
  test(`credentials open a registry that wants ${kind} authentication, and do not leave for the storage behind it`, async () => {
    await using home = await temporary();
    await using registry = await startRegistry();
    registry.add('app', 'latest', await makeImage([[file('a', 'a')]]));
    registry.auth = { kind, username: 'me', password: 'secret' };
    registry.fault = ({ path: at, method }) => (at.includes('/blobs/') && method === 'GET' ? 'redirect' : undefined);
    using images = await open(home.path);
    const reference = `${registry.host}/app`;
    await assert.rejects(images.pullImage(reference), /other credentials/);
    await assert.rejects(
      images.pullImage(reference, { auths: [{ server: registry.host, username: 'me', password: 'wrong' }] }),
      (error: Error) => !error.message.includes('wrong'),
    );
    const right = { server: `http://${registry.host}/`, username: 'me', password: 'secret' };
    await images.pullImage(reference, { auths: [{ server: registry.host, username: 'me', password: 'wrong' }, right] });
    assert.deepEqual(registry.leaked, []);
  });

test('of an index the image for this platform is taken, and an error names those there are', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  const [ours, theirs] = [
    await makeImage([[file('a', 'ours')]]),
    await makeImage([[file('a', 'theirs')]], { architecture: 's390x' }),
  ];
  const manifests = [
    { ...theirs.manifest, platform: { os: 'linux', architecture: 's390x' } },
    { ...ours.manifest, platform: { os: 'linux', architecture: ours.config.architecture } },
  ];
  const index = (list: object[]) =>
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: list }));
  for (const made of [ours, theirs]) registry.add('app', 'x', made);
  registry.manifests.set('app:both', { type: mediaTypes.index, bytes: index(manifests) });
  registry.manifests.set('app:one', { type: mediaTypes.index, bytes: index(manifests.slice(0, 1)) });
  using images = await open(home.path);
  const image = await images.pullImage(`${registry.host}/app:both`);
  assert.equal(image.id, ours.id);
  assert.deepEqual(image.repoDigests, [`${registry.host}/app@${digestOf(index(manifests))}`]);
  await assert.rejects(
    images.pullImage(`${registry.host}/app:one`),
    /has no image for linux\/\w+; it has: linux\/s390x/,
  );
  await assert.rejects(
    images.pullImage(`${registry.host}/app@${theirs.manifest.digest}`),
    /is for linux\/s390x; wanted/,
  );
});

test('pulls of one reference share the work; the last to leave ends it', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.add('app', 'latest', await makeImage([[file('a', 'a')]]));
  using images = await open(home.path);
  const reference = `${registry.host}/app`;
  const abort = new AbortController();
  const left = images.pullImage(reference, { signal: abort.signal });
  const stayed = images.pullImage(reference);
  abort.abort();
  await assert.rejects(left, { name: 'AbortError' });
  await stayed;
  assert.equal(registry.requests.filter((request) => request.path.includes('/manifests/')).length, 1);
});

test('names, digests and ids all lead to an image; removing a name leaves others', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.add('app', 'v1', await makeImage([[file('a', 'a')]]));
  using images = await open(home.path);
  const { id, repoDigests } = await images.pullImage(`${registry.host}/app:v1`);
  await images.tagImage(id, 'mine');
  assert.equal((await images.imageStatus('docker.io/library/mine:latest'))?.id, id);
  assert.equal((await images.imageStatus(repoDigests[0] ?? ''))?.id, id);
  await images.removeImage('mine');
  assert.deepEqual((await images.imageStatus(id))?.repoTags, [`${registry.host}/app:v1`]);
  await images.removeImage(id);
  assert.deepEqual(await images.listImages(), []);
  await assert.rejects(images.pullImage('Bad Name'), { reason: 'InvalidImageName' });
});

test('collection takes what nothing needs, and the longest unused images when bytes are wanted', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  for (const name of ['old', 'used', 'young'])
    registry.add(name, 'latest', await makeImage([[file(name, name.repeat(50_000))]], { packing: 'none' }));
  using images = await open(home.path);
  const pulled = [];
  for (const name of ['old', 'used', 'young']) pulled.push(await images.pullImage(`${registry.host}/${name}`));
  const [old, used, young] = pulled.map((image) => image.id);
  await images.prepareRootfs(used ?? '', 'c');
  try {
    assert.deepEqual((await images.collectGarbage({ inUse: [] })).blobs, 0);
    const freed = await images.collectGarbage({ inUse: [], freeBytes: 1 });
    assert.deepEqual(freed.images, [old]);
    assert.equal(freed.blobs, 3);
    await images.removeImage(used ?? '');
    await images.collectGarbage({ inUse: [] });
    assert.equal(readFileSync(path.join(home.path, 'containers/c/merged/used'), 'utf8').length, 200_000);
    assert.deepEqual(
      (await images.listImages()).map((image) => image.id),
      [young],
    );
  } finally {
    await images.removeRootfs('c');
  }
});

test('what a killed process left half done is swept, what others work on is kept', async () => {
  await using home = await temporary();
  using first = await open(home.path);
  const dead = '999999999-1-1';
  for (const place of ['ingest', 'unpacking', 'leases']) writeFileSync(path.join(home.path, place, dead), 'half');
  let finish = () => {};
  const going = first.store.ingest(
    (async function* () {
      yield Buffer.from('begun');
      await new Promise<void>((done) => (finish = done));
    })(),
  );
  await realClock.sleep(20);
  using second = await open(home.path);
  assert.equal(readdirSync(path.join(home.path, 'ingest')).length, 1);
  for (const place of ['unpacking', 'leases']) assert.deepEqual(readdirSync(path.join(home.path, place)), []);
  finish();
  assert.equal(await second.store.size((await going).digest), 5);
});

test('an image is pushed, found there again, and what is there is not sent twice', async () => {
  await using home = await temporary();
  await using registry = await startRegistry();
  registry.add('app', 'v1', await twoLayers());
  registry.auth = { kind: 'token', username: 'me', password: 'secret' };
  const auths = [{ server: registry.host, username: 'me', password: 'secret' }];
  using images = await open(home.path);
  const image = await images.pullImage(`${registry.host}/app:v1`, { auths });
  const before = registry.requests.length;
  registry.fault = ({ method }) => (method === 'HEAD' ? 404 : undefined);
  const digest = await images.pushImage(image.id, { to: `${registry.host}/copy:v2`, auths });
  const sent = registry.requests.slice(before);
  assert.equal(
    sent.filter((request) => request.method === 'PUT').length,
    1,
    'blobs are mounted from the repository beside it',
  );
  assert.ok(registry.manifests.has(`copy:${digest}`));
  registry.blobs.clear();
  registry.fault = () => undefined;
  await images.pushImage(image.id, { to: `${registry.host}/copy:v3`, auths });
  assert.equal(registry.blobs.size, 3);
});

test('exported archives are the same each time and are read again under their names', async () => {
  await using home = await temporary();
  await using other = await temporary();
  await using registry = await startRegistry();
  registry.add('app', 'v1', await twoLayers());
  using images = await open(home.path);
  const name = `${registry.host}/app:v1`;
  const { id } = await images.pullImage(name);
  const read = async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of images.exportArchive([name])) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const archive = await read();
  assert.ok(archive.equals(await read()));
  using elsewhere = await open(other.path);
  const [imported] = await elsewhere.importArchive(chunksOf(archive));
  assert.equal(imported?.id, id);
  assert.deepEqual(imported?.repoTags, [name]);
});

test('an archive with a damaged blob is refused', async () => {
  await using home = await temporary();
  using images = await open(home.path);
  const made = await makeImage([[file('a', 'a')]]);
  const { tarOf } = await import('./testing/fixture.ts');
  const archive = await tarOf([file(`blobs/sha256/${made.id.slice(7)}`, 'something else'), file('index.json', '{}')]);
  await assert.rejects(
    images.importArchive(chunksOf(archive)),
    /blobs\/sha256\/\w+ of the archive does not match its digest: expected/,
  );
  await assert.rejects(
    images.importArchive(chunksOf(Buffer.from('no tar at all'.repeat(100)))),
    /cannot be read: the tar header has a wrong checksum/,
  );
  await assert.rejects(images.importArchive(chunksOf(archive.subarray(0, 520))), /ends in the middle/);
  assert.equal(lstatSync(path.join(home.path, 'blobs/sha256')).isDirectory(), true);
});
