/** What pod groups and the templates that they are made from have in common. */
import { cause, type StatusCause } from '../../../machinery/index.ts';
import type { PodGroupSpec, PodGroupTemplate } from '../../gen/types.ts';

/** Upstream keeps each of these behind a feature gate of its own, off by default; without it the field may not be set. */
const notServed = [
  'schedulingConstraints',
  'disruptionMode',
  'priorityClassName',
  'priority',
  'resourceClaims',
] as const;

export function validatePolicy(spec: PodGroupSpec | PodGroupTemplate, field: string): StatusCause[] {
  const gated = notServed
    .filter((name) => spec[name] !== undefined)
    .map((name) => cause.forbidden(`${field}.${name}`, 'this cluster does not act on it; leave it out'));
  const at = `${field}.schedulingPolicy`;
  const { basic, gang } = spec.schedulingPolicy ?? {};
  if ((basic === undefined) === (gang === undefined)) {
    const given = basic === undefined ? '' : '{basic, gang}';
    const detail = 'must specify exactly one of: `basic`, `gang`';
    return [...gated, cause.invalid(at, given, detail)];
  }
  if (gang === undefined || gang.minCount >= 1) return gated;
  const detail = 'must be greater than or equal to 1';
  return [
    ...gated,
    gang.minCount ? cause.invalid(`${at}.gang.minCount`, gang.minCount, detail) : cause.required(`${at}.gang.minCount`),
  ];
}
