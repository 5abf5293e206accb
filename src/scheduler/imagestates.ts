/** Which images are on how many nodes. */
import type { Node } from '../api/index.ts';

export class ImageStates {
  readonly #nodes = new Map<string, number>();

  add({ status }: Node): void {
    for (const { names } of status?.images ?? [])
      for (const name of names ?? []) this.#nodes.set(name, (this.#nodes.get(name) ?? 0) + 1);
  }

  remove({ status }: Node): void {
    for (const { names } of status?.images ?? [])
      for (const name of names ?? []) {
        const left = (this.#nodes.get(name) ?? 1) - 1;
        if (left > 0) this.#nodes.set(name, left);
        else this.#nodes.delete(name);
      }
  }

  /** On how many nodes the image is. */
  nodesWith(name: string): number {
    return this.#nodes.get(name) ?? 0;
  }
}
