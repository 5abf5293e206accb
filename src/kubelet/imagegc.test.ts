import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImageCollector } from './imagegc.ts';
import type { Context } from './options.ts';
import { virtualClock } from './testkit/clock.ts';
import { testImages } from './testkit/runtime.ts';

test('a disk that fills loses the images that no pod uses, and no others', async () => {
  const clock = virtualClock();
  const images = testImages();
  for (const name of ['used:1', 'unused:1']) images.present.add(name);
  images.removeImage = async (id) => void images.present.delete(id.replace('sha256:', ''));
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const disk = { total: 100, free: 50 };
  const collector = new ImageCollector({ clock, images, log } as unknown as Context, async () => disk);
  const used = new Set(['used:1']);
  await collector.collect(used);
  await clock.advance(300_000);
  await collector.collect(used);
  assert.equal(images.present.size, 2, 'there is room: nothing goes');
  disk.free = 10;
  await collector.collect(used);
  assert.deepEqual([...images.present], ['used:1']);
});
