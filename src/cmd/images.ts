/** Images for the node agent and for the command line: the images layer, and what runs the builder's commands. */
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Images as ImageCommands, ImageSummary, Places } from '../cli/index.ts';
import { Failure } from '../cli/index.ts';
import type { Log } from '../client/index.ts';
import type { ImageService } from '../kubelet/index.ts';
import { type Image, Images, type Progress } from '../layers/images/index.ts';
import { systemClock as clock, systemRandom as random } from '../machinery/index.ts';

export async function openImageService(places: Places, _log: Log): Promise<ImageService> {
  return Images.open({ root: places.images, clock, random });
}

export async function openImages(places: Places): Promise<ImageCommands> {
  const images = await Images.open({ root: places.images, clock, random });
  return {
    async build({ context, dockerfile, name, base, progress }) {
      const { buildImage } = await import('../layers/images/index.ts');
      const built = await buildImage({ images, context, dockerfile, name, base, onProgress: progress });
      return { id: built.id, name, port: portOf(built) };
    },
    async pull(name, progress) {
      return summaryOf(await images.pullImage(name, { auths: [], onProgress: (one) => progress(lineOf(one)) }));
    },
    async push(name, progress) {
      await images.pushImage(name, { onProgress: (one) => progress(lineOf(one)) });
    },
    async import(file) {
      const source = file === '-' ? process.stdin : createReadStream(file);
      return (await images.importArchive(source)).map(summaryOf);
    },
    async export(names, file) {
      await pipeline(images.exportArchive(names), createWriteStream(file, { mode: 0o644 }));
    },
    list: async () => (await images.listImages()).map(summaryOf),
    async remove(name) {
      if ((await images.imageStatus(name)) === undefined)
        throw new Failure(`no image is named ${name}: "glass image ls" shows what there is`);
      await images.removeImage(name);
    },
  };
}

function summaryOf({ id, repoTags, repoDigests, size }: Image): ImageSummary {
  return { id, names: repoTags.length > 0 ? repoTags : repoDigests, size };
}

/** What the image exposes, or what is usual. */
function portOf(image: Image): number {
  return Number.parseInt(image.exposedPorts[0] ?? '8080', 10);
}

function lineOf(progress: Progress): string {
  return Object.values(progress).join(' ');
}
