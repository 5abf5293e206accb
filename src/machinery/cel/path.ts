/**
 * Places in a schema, as upstream's estimate keeps them: extending one may overwrite the last step of another that was made of
 * the same beginning, since they share what they are stored in. That shows in its estimates, and so it has to in ours.
 */
export interface Path {
  readonly steps: string[];
  readonly length: number;
  /** How many steps fit before they are copied. */
  readonly room: number;
}

export const noPath: Path = { steps: [], length: 0, room: 0 };

export const pathOf = (name: string): Path => ({ steps: [name], length: 1, room: 1 });

export function extend(path: Path, step: string): Path {
  const length = path.length + 1;
  if (length <= path.room) {
    path.steps[path.length] = step;
    return { ...path, length };
  }
  return { steps: [...stepsOf(path), step], length, room: Math.max(1, path.length * 2) };
}

export const stepsOf = ({ steps, length }: Path): string[] => steps.slice(0, length);
