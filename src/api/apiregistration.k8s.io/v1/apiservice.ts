import { cause, label1035Problems, type StatusCause, subdomainProblems } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { APIService } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { named, optionallyNamed, port, required } from '../../rules.ts';

export const apiService: Override<APIService> = {
  nameRule: 'path',
  default({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepare(object, old) {
    if (!old) object.status = {};
    // One that this server answers itself is there as soon as it is written.
    if (!old && !object.spec.service)
      object.status = {
        conditions: [
          { type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available' },
        ],
      };
  },
  validate({ metadata, spec }): StatusCause[] {
    const { group = '', version = '', service, caBundle } = spec;
    const wanted = `${version}.${group}`;
    const causes: StatusCause[] = [];
    if (metadata.name !== wanted)
      causes.push(
        cause.invalid(
          'metadata.name',
          metadata.name,
          `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`,
        ),
      );
    if (group === '' && version !== 'v1')
      causes.push(cause.required('spec.group', 'only v1 may have an empty group and it better be legacy kube'));
    causes.push(
      ...optionallyNamed('spec.group', group, subdomainProblems),
      ...named('spec.version', version, label1035Problems),
    );
    for (const [name, most] of [
      ['groupPriorityMinimum', 20_000],
      ['versionPriority', 1000],
    ] as const)
      if (!(spec[name] > 0 && spec[name] <= most))
        causes.push(cause.invalid(`spec.${name}`, spec[name] ?? 0, `must be positive and less than ${most}`));
    if (!service) {
      if (caBundle)
        causes.push(
          cause.invalid('spec.caBundle', `${caBundle.length} characters`, 'local APIServices may not have a caBundle'),
        );
      if (spec.insecureSkipTLSVerify)
        causes.push(
          cause.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'),
        );
      return causes;
    }
    causes.push(
      ...required('spec.service.namespace', service.namespace),
      ...required('spec.service.name', service.name),
      ...port('spec.service.port', service.port),
    );
    if (spec.insecureSkipTLSVerify && caBundle)
      causes.push(cause.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'));
    return causes;
  },
  columns: [
    nameColumn,
    text('Service', ({ spec }: APIService) =>
      spec.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local',
    ),
    text('Available', ({ status }: APIService) => {
      const condition = status?.conditions?.find(({ type }) => type === 'Available');
      if (!condition) return 'Unknown';
      return condition.status !== 'True' && condition.reason
        ? `${condition.status} (${condition.reason})`
        : condition.status;
    }),
    ageColumn,
  ],
};
