/** Objects as rows: what `kubectl get` shows (meta.k8s.io/v1 Table), and objects without all but their metadata. */
import type { Kind } from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export function tableOf(
  kind: Kind,
  objects: readonly AnyObject[],
  now: number,
  include: IncludeObject,
  metadata: unknown,
  withColumns = true,
): AnyObject {
  const columns = withColumns
    ? kind.columns.map(({ name, type, format, description, priority }) => ({
        name,
        type: type === 'date' && kind.custom === undefined ? 'string' : type,
        format: format ?? (name === 'Name' ? 'name' : ''),
        description: description ?? '',
        priority: priority ?? 0,
      }))
    : [];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: metadata as AnyObject['metadata'],
    columnDefinitions: columns,
    rows: objects.map((object) => ({
      cells: kind.columns.map((column) => column.value(object, now)),
      ...(include !== 'None' && { object: include === 'Object' ? object : partialOf(object) }),
    })),
  };
}

export function partialOf(object: AnyObject): AnyObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
