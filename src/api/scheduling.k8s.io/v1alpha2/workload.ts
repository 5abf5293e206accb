import {
  cause,
  labelProblems,
  pathSegmentProblems,
  type StatusCause,
  subdomainProblems,
} from '../../../machinery/index.ts';
import type { Workload } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, immutable, named, optionallyNamed, unique } from '../../rules.ts';
import { validatePolicy } from './policy.ts';

const noSpec: Workload['spec'] = { podGroupTemplates: [] };
const mostTemplates = 8;
const templates = 'spec.podGroupTemplates';

export const workload: Override<Workload> = {
  validate: ({ spec = noSpec }, old) => [...validate(spec), ...(old ? unchanged(spec, old.spec) : [])],
};

function validate({ controllerRef, podGroupTemplates = [] }: Workload['spec']): StatusCause[] {
  if (podGroupTemplates.length === 0) return [cause.required(templates)];
  if (podGroupTemplates.length > mostTemplates)
    return [cause.tooMany(templates, podGroupTemplates.length, mostTemplates)];
  const ofController =
    controllerRef === undefined
      ? []
      : [
          ...optionallyNamed('spec.controllerRef.apiGroup', controllerRef.apiGroup, subdomainProblems),
          ...named('spec.controllerRef.kind', controllerRef.kind, pathSegmentProblems),
          ...named('spec.controllerRef.name', controllerRef.name, pathSegmentProblems),
        ];
  return [
    ...ofController,
    ...unique(templates, podGroupTemplates, ({ name }) => name),
    ...each(templates, podGroupTemplates, (template, at) => [
      ...named(`${at}.name`, template.name, labelProblems),
      ...validatePolicy(template, at),
    ]),
  ];
}

function unchanged(spec: Workload['spec'], old: Workload['spec']): StatusCause[] {
  return [
    ...immutable('spec.controllerRef', spec.controllerRef, old.controllerRef),
    ...immutable(templates, spec.podGroupTemplates, old.podGroupTemplates),
  ];
}
