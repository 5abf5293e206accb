/** Makes room when the disk fills: images that no pod uses go, the longest unused first. */
import { diskBytes } from './machine.ts';
import type { Context } from './options.ts';
import type { Image } from './runtime/services.ts';

/** Shares of the disk in use: above the first, images are removed until it is below the second. */
const high = 0.85;
const low = 0.8;
/** Milliseconds for which an image must have been unused. */
const minimumAge = 120_000;

export class ImageCollector {
  readonly #context: Context;
  readonly #lastUsed = new Map<string, number>();
  readonly #disk: () => Promise<{ total: number; free: number } | undefined>;

  constructor(context: Context, disk = () => diskBytes(context.directory)) {
    this.#context = context;
    this.#disk = disk;
  }

  /** `used`: names and ids of the images of this node's containers. */
  async collect(used: ReadonlySet<string>): Promise<void> {
    const { clock, images, log } = this.#context;
    const disk = await this.#disk();
    const all = await images.listImages();
    const now = clock.now();
    for (const image of all)
      if (!this.#lastUsed.has(image.id) || namesOf(image).some((name) => used.has(name)))
        this.#lastUsed.set(image.id, now);
    for (const id of this.#lastUsed.keys()) if (!all.some((image) => image.id === id)) this.#lastUsed.delete(id);
    if (!disk || 1 - disk.free / disk.total < high) return;
    let wanted = disk.total * (1 - low) - disk.free;
    const age = (image: Image) => this.#lastUsed.get(image.id) ?? now;
    for (const image of all.toSorted((a, b) => age(a) - age(b))) {
      if (wanted <= 0) return;
      if (now - age(image) < minimumAge) continue;
      log.info(
        { image: image.repoTags[0] ?? image.id, bytes: image.size },
        'removing an image that no pod uses: the disk is filling',
      );
      await images.removeImage(image.id);
      wanted -= image.size;
    }
  }
}

function namesOf({ id, repoTags, repoDigests }: Image): string[] {
  return [id, ...repoTags, ...repoDigests];
}
