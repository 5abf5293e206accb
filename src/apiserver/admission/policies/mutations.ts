import type { Environment } from '../../../machinery/cel/index.ts';
import type { StatusCause } from '../../../machinery/index.ts';
import type { Policy } from './bound.ts';

export function mutationProblems(_policy: Policy, _environment: Environment): StatusCause[] {
  return [];
}
