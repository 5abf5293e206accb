import { cause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { IngressClass } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { immutable, required } from '../../rules.ts';

export const ingressClass: Override<IngressClass> = {
  countsGenerations: true,
  default({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate: ({ spec }, old) => [
    ...required('spec.controller', spec.controller),
    ...((spec.controller?.length ?? 0) > 250 ? [cause.tooLong('spec.controller', 250)] : []),
    ...(old ? immutable('spec.controller', spec.controller, old.spec.controller) : []),
  ],
  columns: [
    {
      ...nameColumn,
      value: ({ metadata }) =>
        metadata.annotations?.['ingressclass.kubernetes.io/is-default-class'] === 'true'
          ? `${metadata.name} (default)`
          : metadata.name!,
    },
    text('Controller', ({ spec }: IngressClass) => spec.controller ?? ''),
    text('Parameters', ({ spec }: IngressClass) => {
      const { kind, apiGroup, name } = spec.parameters ?? {};
      return spec.parameters ? `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}` : '<none>';
    }),
    ageColumn,
  ],
};
