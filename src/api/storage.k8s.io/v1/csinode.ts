import { ageColumn, integer, nameColumn } from '../../columns.ts';
import type { CSINode } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { each, required, unique } from '../../rules.ts';

export const csiNode: Override<CSINode> = {
  validate: ({ spec }) => [
    ...each('spec.drivers', spec.drivers, ({ name, nodeID }, at) => [
      ...required(`${at}.name`, name),
      ...required(`${at}.nodeID`, nodeID),
    ]),
    ...unique('spec.drivers', spec.drivers ?? [], ({ name }) => name, '.name'),
  ],
  columns: [nameColumn, integer('Drivers', ({ spec }: CSINode) => spec.drivers?.length), ageColumn],
};
