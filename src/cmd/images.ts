/** Images for the node agent and for the command line: the images layer, and what runs the builder's commands. */
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Images as ImageCommands, ImageSummary, Places } from '../cli/index.ts';
import { Failure, megabytes } from '../cli/index.ts';
import { ImageError, type ImageService } from '../kubelet/index.ts';
import {
  type Image,
  ImageError as LayerError,
  Images,
  type Progress,
  type RunCommand,
} from '../layers/images/index.ts';
import { systemClock as clock, systemRandom as random } from '../machinery/index.ts';

/** As the node agent knows it: the layer's failures become the agent's, which decides by their reason what to say and when to try again. */
export async function openImageService(places: Places): Promise<ImageService> {
  const images = await Images.open({ root: places.images, clock, random });
  return {
    pullImage: async (reference, options) => {
      try {
        return await images.pullImage(reference, options);
      } catch (error) {
        throw error instanceof LayerError ? new ImageError(error.reason, error.message, error) : error;
      }
    },
    imageStatus: (reference) => images.imageStatus(reference),
    listImages: () => images.listImages(),
    removeImage: (reference) => images.removeImage(reference),
    prepareRootfs: (imageId, containerId) => images.prepareRootfs(imageId, containerId),
    removeRootfs: (containerId) => images.removeRootfs(containerId),
  };
}

export async function openImages(places: Places): Promise<ImageCommands> {
  const images = await Images.open({ root: places.images, clock, random });
  return {
    async build({ context, dockerfile, name, base, progress }) {
      const { buildImage } = await import('../layers/images/index.ts');
      const built = await buildImage({
        images,
        context,
        dockerfile,
        name,
        base,
        run: await runCommand(),
        onProgress: progress,
      });
      return { id: built.id, name, port: portOf(built) };
    },
    async pull(name, progress) {
      return summaryOf(await images.pullImage(name, { auths: [], onProgress: linesTo(progress) }));
    },
    async push(name, progress) {
      await images.pushImage(name, { onProgress: linesTo(progress) });
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

/** A line for each step of each blob, however many pieces it comes in. */
function linesTo(progress: (line: string) => void): (one: Progress) => void {
  const told = new Set<string>();
  return ({ digest, size, state }) => {
    const line = digest === '' ? state : `${state.padEnd(12)} ${digest.slice(7, 19)}   ${megabytes(size)}`;
    if (told.has(line)) return;
    told.add(line);
    progress(line);
  };
}

/** What performs RUN; undefined where containers cannot be had, which the builder then says. */
async function runCommand(): Promise<RunCommand | undefined> {
  const { ociProgram } = await import('./runtimes.ts');
  const program = ociProgram();
  if (program === undefined) return undefined;
  const { runWith } = await import('./buildrun.ts');
  return runWith(program);
}
