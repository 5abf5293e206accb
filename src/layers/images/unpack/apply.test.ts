import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { readTar } from '../tar/read.ts';
import { type TarPart, tarEntry, writeTar } from '../tar/write.ts';
import { realClock as clock } from '../testing/clock.ts';
import { directory, file, hardlink, symlink, temporary } from '../testing/fixture.ts';
import { applyLayer } from './apply.ts';

const asRoot = process.getuid?.() === 0;
const apply = (root: string, parts: TarPart[], mode: 'plain' | 'overlay' = 'plain', below: string[] = []) =>
  applyLayer(readTar(writeTar(parts)), root, { clock, mode, asRoot, below });

const attacks: [string, TarPart[], RegExp][] = [
  ['a name with ..', [file('a/../../victim', 'x')], /leads out of the root/],
  ['.. as its last part', [directory('a/../..', 0o700)], /leads out of the root/],
  ['a directory called ..', [directory('..', 0o700)], /leads out of the root/],
  ['a parent that is a link to ..', [symlink('up', '../..'), file('up/victim', 'x')], /leads out of the root/],
  ['a hard link to ..', [hardlink('a', '../victim')], /leads out of the root/],
  ['a hard link to a file of the host', [hardlink('a', '/etc/hostname')], /is no file of the layer/],
  ['a whiteout of ..', [file('.wh...', '')], /names nothing/],
  ['a file as a parent', [file('a', 'x'), file('a/b', 'x')], /is a file/],
  ['links in a circle', [symlink('a', 'b'), symlink('b', 'a'), file('a/c', 'x')], /more than 40/],
];
for (const [name, parts, message] of attacks)
  test(`a layer with ${name} is refused`, async () => {
    await using home = await temporary();
    mkdirSync(path.join(home.path, 'in/root'), { recursive: true });
    writeFileSync(path.join(home.path, 'victim'), 'safe');
    await assert.rejects(apply(path.join(home.path, 'in/root'), parts), message);
    assert.equal(readFileSync(path.join(home.path, 'victim'), 'utf8'), 'safe');
  });

test('absolute names and links stay inside the root', async () => {
  await using home = await temporary();
  const [outside, root] = [path.join(home.path, 'outside'), path.join(home.path, 'root')];
  for (const each of [outside, root]) mkdirSync(each);
  await apply(root, [
    file('/abs', 'x'),
    symlink('link', outside),
    file('link/f', 'y'),
    symlink('target', outside),
    file('target', 'z'),
  ]);
  assert.deepEqual(readdirSync(outside), []);
  assert.equal(readFileSync(path.join(root, 'abs'), 'utf8'), 'x');
  assert.equal(readFileSync(path.join(root, outside, 'f'), 'utf8'), 'y');
  assert.ok(
    lstatSync(path.join(root, 'target')).isFile(),
    'a file replaces a link instead of being written through it',
  );
});

test('overlay layers mark what they take away, and leave parents as they are below', async (t) => {
  if (!asRoot) return t.skip('device nodes need root');
  await using home = await temporary();
  const [lower, upper] = [path.join(home.path, 'lower'), path.join(home.path, 'upper')];
  for (const each of [lower, upper]) mkdirSync(each);
  await apply(
    lower,
    [directory('tmp', 0o1777), directory('usr'), directory('usr/bin'), symlink('bin', 'usr/bin')],
    'overlay',
  );
  await apply(upper, [file('tmp/f', 'x'), file('bin/tool', 'x'), file('.wh.gone', '')], 'overlay', [lower]);
  assert.equal(statSync(path.join(upper, 'tmp')).mode & 0o7777, 0o1777);
  assert.ok(existsSync(path.join(upper, 'usr/bin/tool')), 'a link of the layer below is followed');
  const whiteout = lstatSync(path.join(upper, 'gone'));
  assert.ok(whiteout.isCharacterDevice() && whiteout.rdev === 0);
});

test('owners, setuid bits, times and hard links are kept', async (t) => {
  if (!asRoot) return t.skip('owners need root');
  await using home = await temporary();
  const tool = file('tool', 'x', { uid: 7, gid: 8, mode: 0o4755, mtime: 1_000_000 });
  await apply(home.path, [
    directory('d', 0o700),
    tool,
    hardlink('d/twin', 'tool'),
    { entry: tarEntry({ name: 'pipe', type: 'fifo' }) },
  ]);
  const info = statSync(path.join(home.path, 'd/twin'));
  assert.deepEqual([info.uid, info.gid, info.mode & 0o7777, info.mtimeMs, info.nlink], [7, 8, 0o4755, 1e9, 2]);
  assert.ok(lstatSync(path.join(home.path, 'pipe')).isFIFO());
});

test('overlayfs attributes of an image are not applied', async () => {
  await using home = await temporary();
  const xattrs = new Map([['trusted.overlay.redirect', Buffer.from('/etc')]]);
  await apply(home.path, [{ entry: tarEntry({ name: 'd', type: 'directory', xattrs }) }]);
  assert.ok(statSync(path.join(home.path, 'd')).isDirectory());
});
