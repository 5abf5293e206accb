import { cause, controllerOf, equalJson, parseApiVersion } from '../../../machinery/index.ts';
import { ageColumn, nameColumn, text } from '../../columns.ts';
import type { ControllerRevision } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { nonNegative } from '../../rules.ts';

export const controllerRevision: Override<ControllerRevision> = {
  validate: (object, old) => [
    ...nonNegative('revision', object.revision),
    ...(old && !equalJson(object.data, old.data) ? [cause.invalid('data', object.data, 'field is immutable')] : []),
  ],
  columns: [
    nameColumn,
    text('Controller', controller),
    text('Revision', (object: ControllerRevision) => String(object.revision ?? 0)),
    ageColumn,
  ],
};

function controller(object: ControllerRevision): string {
  const owner = controllerOf(object);
  if (!owner) return '<none>';
  const { group } = parseApiVersion(owner.apiVersion);
  return `${owner.kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${owner.name}`;
}
