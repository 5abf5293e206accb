import type { PodTemplateSpec } from '../api/index.ts';

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Short and safe in names; another one for each `collisionCount`. */
export function hashOf(template: PodTemplateSpec, collisionCount = 0): string {
  let hash = 0x811c9dc5;
  for (const character of `${stable(template)}${collisionCount || ''}`) {
    hash ^= character.codePointAt(0)!;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return Array.from(String(hash), (digit) => alphabet[Number(digit)]).join('');
}

function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => `${name}:${stable(inner)}`)
    .join(',')}}`;
}
