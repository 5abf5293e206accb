/** Against programs that others wrote: skopeo and the distribution project's registry, where they are installed. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Images } from './index.ts';
import { random, realClock } from './testing/clock.ts';
import { directory, file, makeImage, temporary } from './testing/fixture.ts';
import { startRegistry } from './testing/registry.ts';

const exec = promisify(execFile);
const registryProgram = '/usr/bin/docker-registry';
const skopeo = '/usr/bin/skopeo';

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function realRegistry(home: string) {
  const port = await freePort();
  const config = `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${home}/registry\nhttp:\n  addr: 127.0.0.1:${port}\n  secret: test\nlog:\n  level: error\n`;
  await writeFile(path.join(home, 'registry.yml'), config);
  const child = spawn(registryProgram, ['serve', path.join(home, 'registry.yml')], { stdio: 'ignore' });
  for (let count = 0; count < 200; count += 1) {
    if (
      await fetch(`http://127.0.0.1:${port}/v2/`).then(
        () => true,
        () => false,
      )
    )
      break;
    await realClock.sleep(25);
  }
  return { host: `127.0.0.1:${port}`, [Symbol.dispose]: () => void child.kill() };
}

test('images go through a real registry and through skopeo and come back the same', async (t) => {
  if (!existsSync(registryProgram) || !existsSync(skopeo))
    return t.skip('docker-registry and skopeo are not installed');
  await using home = await temporary();
  await using source = await startRegistry();
  using registry = await realRegistry(home.path);
  source.add(
    'app',
    'v1',
    await makeImage(
      [
        [directory('d'), file('d/f', 'x'.repeat(100_000))],
        [file('d/.wh.f', ''), file('g', 'g')],
      ],
      { config: { Cmd: ['/g'] } },
    ),
  );
  const images = await Images.open({ root: path.join(home.path, 'one'), clock: realClock, random });
  const { id } = await images.pullImage(`${source.host}/app:v1`);
  const digest = await images.pushImage(id, { to: `${registry.host}/team/app:v2` });
  await images.pushImage(id, { to: `${registry.host}/team/app:v3` });

  const inspected = JSON.parse(
    (await exec(skopeo, ['inspect', '--tls-verify=false', `docker://${registry.host}/team/app:v2`])).stdout,
  ) as { Digest: string };
  assert.equal(inspected.Digest, digest);

  const copy = (...args: string[]) => exec(skopeo, ['--insecure-policy', 'copy', '--src-tls-verify=false', ...args]);
  const archives = { 'docker-archive': ':team/app:saved', 'oci-archive': ':team/app:layout' };
  for (const [kind, name] of Object.entries(archives)) {
    const archive = path.join(home.path, `${kind}.tar`);
    await copy(`docker://${registry.host}/team/app:v2`, `${kind}:${archive}${name}`);
    const fresh = await Images.open({ root: path.join(home.path, kind), clock: realClock, random });
    const [imported] = await fresh.importArchive(createReadStream(archive));
    assert.deepEqual(imported?.cmd, ['/g']);
    assert.equal(imported?.id, id);
    const pulled = await fresh.pullImage(`${registry.host}/team/app:v3`);
    assert.equal(pulled.id, id);
    fresh.close();
  }

  const ours = path.join(home.path, 'ours.tar');
  await images.tagImage(id, 'team/app:ours');
  await pipeline(images.exportArchive(['team/app:ours']), createWriteStream(ours));
  await mkdir(path.join(home.path, 'out'));
  for (const kind of ['docker-archive', 'oci-archive'])
    await copy(`${kind}:${ours}`, `dir:${path.join(home.path, 'out', kind)}`);
  images.close();
});
