import type { Node, Pod } from '../../api/index.ts';
import { maxScore, type Plugin } from '../framework.ts';
import type { Snapshot } from '../snapshot.ts';

const megabyte = 1024 * 1024;
const least = 23 * megabyte;
const most = 1000 * megabyte;

function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}

function imagesOf({ spec }: Pod): string[] {
  const images: string[] = [];
  for (const { image } of [...(spec.initContainers ?? []), ...spec.containers])
    if (image) images.push(normalized(image));
  for (const { image } of spec.volumes ?? []) if (image?.reference) images.push(normalized(image.reference));
  return images;
}

const sizes = new WeakMap<Node, Map<string, number>>();

/** By name; a node's list is read once. */
function sizesOn(node: Node): Map<string, number> {
  let found = sizes.get(node);
  if (found === undefined) {
    found = new Map();
    for (const { names, sizeBytes = 0 } of node.status?.images ?? [])
      for (const name of names ?? []) found.set(name, sizeBytes);
    sizes.set(node, found);
  }
  return found;
}

/** An image that few nodes have counts less: it is not worth crowding them for. */
function sumOf(images: readonly string[], node: Node, snapshot: Snapshot): number {
  const here = sizesOn(node);
  let sum = 0;
  for (const image of images) {
    const size = here.get(image);
    if (size !== undefined) sum += Math.floor((size * snapshot.images.nodesWith(image)) / snapshot.size);
  }
  return sum;
}

/** Nodes that have the images already start sooner. */
export const imageLocality = (): Plugin => ({
  name: 'ImageLocality',
  weight: 1,
  local: true,
  preScore({ pod, shared }) {
    shared.set('ImageLocality', imagesOf(pod));
    return true;
  },
  score({ pod, snapshot, shared }, { node }) {
    if (!node.status?.images?.length) return 0;
    const { initContainers, containers } = pod.spec;
    const top = most * ((initContainers?.length ?? 0) + containers.length);
    const sum = sumOf(shared.get('ImageLocality') as string[], node, snapshot);
    return Math.floor((maxScore * (Math.min(Math.max(sum, least), top) - least)) / (top - least));
  },
});
