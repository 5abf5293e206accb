/** What a kind's own file adds to the generated facts. */
import type { StatusCause } from '../machinery/index.ts';
import type { Column, Kind } from './kind.ts';

export interface Override<T = any> extends Partial<Pick<Kind, 'nameRule' | 'countsGenerations'>> {
  selectableFields?: Record<string, (object: T) => string>;
  default?(object: T): void;
  prepare?(object: T, old: T | undefined, subresource?: string): void;
  prepareDelete?(object: T): void;
  validate?(object: T, old: T | undefined, subresource?: string): StatusCause[];
  columns?: readonly Column<any>[];
}
