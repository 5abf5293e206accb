/** The list of what the kinds' own files add to the generated facts, by `group/version/Kind`. */
import { pod } from './core/v1/pod.ts';
import type { Override } from './override.ts';

export const overrides: Readonly<Record<string, Override>> = {
  '/v1/Pod': pod,
};
