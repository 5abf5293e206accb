/** Parts of `kubectl get` tables that kinds share. */
import type { AnyObject } from '../machinery/index.ts';
import type { Column } from './kind.ts';

/** How long, in at most two units, as kubectl shows ages: `5s`, `3m10s`, `4d2h`, `2y30d`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 60 * 2) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 60 * 3) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 24 * 8) return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24)}d`;
  const years = Math.floor(hours / 24 / 365);
  if (hours < 24 * 365 * 8) return two(years, 'y', Math.floor(hours / 24) % 365, 'd');
  return `${years}y`;
}

const two = (large: number, unit: string, small: number, smallUnit: string) =>
  small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`;

/** How long ago `time` was. */
export function age(time: string | null | undefined, now: number): string {
  return time ? humanDuration(now - Date.parse(time)) : '<unknown>';
}

export const nameColumn: Column<AnyObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  value: (object) => object.metadata.name ?? '',
};

export const ageColumn: Column<AnyObject> = {
  name: 'Age',
  type: 'string',
  value: (object, now) => age(object.metadata.creationTimestamp, now),
};

/** When it was made: what kinds without columns of their own show. */
export const createdColumn: Column<AnyObject> = {
  name: 'Created At',
  type: 'date',
  value: (object) => object.metadata.creationTimestamp ?? null,
};

type Cell<T> = (object: T, now: number) => string;

/** A column of text. */
export function text<T>(name: string, value: Cell<T>): Column<T> {
  return { name, type: 'string', value };
}

/** A column of text that only `-o wide` shows. */
export function wide<T>(name: string, value: Cell<T>): Column<T> {
  return { name, type: 'string', priority: 1, value };
}

export function integer<T>(name: string, value: (object: T) => number | undefined): Column<T> {
  return { name, type: 'integer', value: (object) => value(object) ?? 0 };
}

export function boolean<T>(name: string, value: (object: T) => boolean | undefined): Column<T> {
  return { name, type: 'boolean', value: (object) => value(object) ?? false };
}

export const orNone = (value: string | undefined): string => value || '<none>';

interface SelectorLike {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** A label selector as one line. */
export function formatSelector(selector: SelectorLike | undefined): string {
  const terms: [string, string][] = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => [
    key,
    `${key}=${value}`,
  ]);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const list = `(${values.toSorted().join(',')})`;
    const forms: Record<string, string> = {
      In: `${key} in ${list}`,
      NotIn: `${key} notin ${list}`,
      Exists: key,
      DoesNotExist: `!${key}`,
    };
    terms.push([key, forms[operator] ?? '<invalid>']);
  }
  return orNone(
    terms
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, term]) => term)
      .join(','),
  );
}

export function formatLabels(labels: Record<string, string> | undefined): string {
  return formatSelector({ matchLabels: labels });
}

interface ContainerLike {
  name: string;
  image?: string;
}

/** The wide columns of what makes Pods from a template. */
export function containerColumns<T>(containersOf: (object: T) => readonly ContainerLike[] | undefined): Column<T>[] {
  return [
    wide('Containers', (object) => (containersOf(object) ?? []).map((container) => container.name).join(',')),
    wide('Images', (object) => (containersOf(object) ?? []).map((container) => container.image ?? '').join(',')),
  ];
}
