import type { ContainerImage } from '../../api/index.ts';
import { maxScore, type Plugin } from '../framework.ts';

const megabyte = 1024 * 1024;
const least = 23 * megabyte;
const most = 1000 * megabyte;

/** Nodes that have the images already start sooner. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  weight: 1,
  preScore: (_cycle, nodes) => nodes.length > 1 && nodes.some(({ node }) => (node.status?.images?.length ?? 0) > 0),
  score({ pod, snapshot }, { node }) {
    const images: ContainerImage[] = node.status?.images ?? [];
    if (images.length === 0) return 0;
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    let sum = 0;
    for (const { image = '' } of containers) {
      const names = [image, image.includes(':') ? image : `${image}:latest`];
      const found = images.find((one) => one.names?.some((name: string) => names.includes(name)));
      // an image that few nodes have is not worth crowding them for
      if (found !== undefined) sum += (found.sizeBytes ?? 0) / Math.max(1, Math.min(snapshot.nodes.length, 3));
    }
    const bounded = Math.min(Math.max(sum, least), most * containers.length);
    return Math.floor((maxScore * (bounded - least)) / (most * containers.length - least));
  },
};
