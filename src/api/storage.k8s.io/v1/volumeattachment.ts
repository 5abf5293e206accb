import { cause, equalJson } from '../../../machinery/index.ts';
import { ageColumn, boolean, nameColumn, text } from '../../columns.ts';
import type { VolumeAttachment } from '../../gen/types.ts';
import type { Override } from '../../override.ts';
import { required } from '../../rules.ts';

export const volumeAttachment: Override<VolumeAttachment> = {
  prepare(object, old) {
    if (!old) object.status = { attached: false };
  },
  validate: ({ spec }, old) => [
    ...required('spec.attacher', spec.attacher),
    ...required('spec.nodeName', spec.nodeName),
    ...(spec.source?.persistentVolumeName || spec.source?.inlineVolumeSpec
      ? []
      : [cause.required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]),
    ...(old && !equalJson(spec, old.spec) ? [cause.invalid('spec', spec, 'field is immutable')] : []),
  ],
  columns: [
    nameColumn,
    { ...text('Attacher', ({ spec }: VolumeAttachment) => spec.attacher ?? ''), format: 'name' },
    text('PV', ({ spec }: VolumeAttachment) => spec.source?.persistentVolumeName ?? ''),
    text('Node', ({ spec }: VolumeAttachment) => spec.nodeName ?? ''),
    boolean('Attached', ({ status }: VolumeAttachment) => status?.attached),
    ageColumn,
  ],
};
