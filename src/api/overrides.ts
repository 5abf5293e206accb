/** What the kinds' own files add to the generated facts, by `group/version/Kind`. */
import type { Kind } from './kind.ts';

export type Override = Partial<
  Pick<Kind, 'nameRule' | 'countsGenerations' | 'selectableFields' | 'default' | 'prepare' | 'validate' | 'columns'>
>;

export const overrides: Readonly<Record<string, Override>> = {};
