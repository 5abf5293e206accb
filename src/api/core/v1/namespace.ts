import { qualifiedNameProblems, cause } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { Namespace } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each } from '../../rules.ts';

export const namespace: Override<Namespace> = {
  nameRule: 'label',
  selectableFields: { 'status.phase': (object) => object.status?.phase ?? '' },
  default(object) {
    const { metadata } = object;
    if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
    object.status = { ...object.status, phase: object.status?.phase || 'Active' };
  },
  prepare(object, old, subresource) {
    if (old) {
      // Only the `finalize` subresource changes these.
      if (subresource === '' && old.spec?.finalizers)
        object.spec = { ...object.spec, finalizers: [...old.spec.finalizers] };
      return;
    }
    object.status = { phase: 'Active' };
    const finalizers = object.spec?.finalizers ?? [];
    object.spec = {
      ...object.spec,
      finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'],
    };
  },
  validate: (object) =>
    each('spec.finalizers', object.spec?.finalizers, (name, at) => {
      const problems = qualifiedNameProblems(name).map((problem) => cause.invalid(at, name, problem));
      const bare = !name.includes('/') && !['kubernetes', 'orphan', 'foregroundDeletion'].includes(name);
      return bare
        ? [...problems, cause.invalid(at, name, 'name is neither a standard finalizer name nor is it fully qualified')]
        : problems;
    }),
  columns: [nameColumn, text('Status', (object: Namespace) => object.status?.phase ?? ''), ageColumn],
};
