/** Sets of completion indexes, written as the API writes them: `1,3-5,7`. Pure. */

export function parseIndexes(text: string | undefined, below = Number.POSITIVE_INFINITY): Set<number> {
  const indexes = new Set<number>();
  for (const part of text ? text.split(',') : []) {
    const [first, last = first] = part.split('-').map(Number);
    for (let index = first!; index <= Math.min(last!, below - 1); index++) indexes.add(index);
  }
  return indexes;
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].toSorted((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = i;
    while (sorted[i + 1] === sorted[i]! + 1) i++;
    // two in a row are a list of two
    parts.push(
      i === first
        ? `${sorted[i]}`
        : i === first + 1
          ? `${sorted[first]},${sorted[i]}`
          : `${sorted[first]}-${sorted[i]}`,
    );
  }
  return parts.join(',');
}
