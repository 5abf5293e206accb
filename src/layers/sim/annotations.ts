import type { Pod } from '../../api/index.ts';

const prefix = 'sim.glasshouse.dev/';

/** What a pod says of itself; undefined where it says nothing, or no number. */
export function numberOf(pod: Pod, name: string): number | undefined {
  const text = pod.metadata.annotations?.[prefix + name];
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}
