import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import tarStream from 'tar-stream';
import { readTar } from './read.ts';
import { filePart, tarEntry, writeTar } from './write.ts';

const long = `${'d/'.repeat(120)}ünï`;
const parts = () => [
  filePart('plain', 'hello'),
  filePart(long, 'x'.repeat(2000), { mode: 0o4755, uid: 3_000_000, gid: 5, mtime: 1234 }),
  { entry: tarEntry({ name: 'link', type: 'symlink', linkname: `../${long}` }) },
  {
    entry: tarEntry({
      name: 'dir',
      type: 'directory',
      xattrs: new Map([['security.capability', Buffer.from([1, 0x80, 0xff, 0])]]),
    }),
  },
];

test('what is written is read back, attributes byte for byte', async () => {
  const seen = [];
  for await (const { body, ...entry } of readTar(writeTar(parts()))) {
    let size = 0;
    for await (const chunk of body) size += chunk.length;
    assert.equal(size, entry.size);
    seen.push(entry);
  }
  const expected = parts().map(({ entry }) => ({
    ...entry,
    name: entry.type === 'directory' ? `${entry.name}/` : entry.name,
  }));
  assert.deepEqual(seen, expected);
});

test('tar-stream reads what is written, and what it writes is read', async () => {
  const names: string[] = [];
  const extract = Readable.from(writeTar(parts().slice(0, 3))).pipe(
    tarStream.extract() as unknown as NodeJS.ReadWriteStream,
  );
  for await (const entry of extract as unknown as AsyncIterable<{ header: { name: string }; resume(): void }>) {
    names.push(entry.header.name);
    entry.resume();
  }
  assert.deepEqual(names, ['plain', long, 'link']);
  const pack = tarStream.pack();
  pack.entry({ name: long, mode: 0o600 }, 'content');
  pack.finalize();
  const read = [];
  for await (const { name, mode } of readTar(pack as unknown as AsyncIterable<Buffer>)) read.push([name, mode]);
  assert.deepEqual(read, [[long, 0o600]]);
});

test('a file that changes while it is packed is told of', async () => {
  const { entry } = filePart('a', '12345');
  await assert.rejects(async () => {
    for await (const _ of writeTar([{ entry, body: Readable.from([Buffer.from('123')]) }]));
  }, /a has 3 bytes; it had 5/);
});
