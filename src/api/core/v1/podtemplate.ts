import { containerColumns, formatLabels, nameColumn, text } from '../../columns.ts';
import type { PodTemplate } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { defaultTemplate } from './podspec.ts';
import { validateTemplate } from './podvalidation.ts';

export const podTemplate: Override<PodTemplate> = {
  countsGenerations: true,
  default: (object) => defaultTemplate(object.template),
  validate: (object) => validateTemplate(object.template, 'template'),
  columns: [
    nameColumn,
    ...containerColumns(({ template }: PodTemplate) => template?.spec?.containers).map((column) => ({
      ...column,
      priority: 0,
    })),
    text('Pod Labels', ({ template }: PodTemplate) => formatLabels(template?.metadata?.labels)),
  ],
};
