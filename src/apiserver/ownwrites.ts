/** What the server itself writes about an object: conditions, finalizers that it keeps. */
import { type AnyObject, cloneJson, isStatusError } from '../machinery/index.ts';
import { change, type Registry } from './registry/index.ts';
import type { User } from './request.ts';
import type { ServedResource } from './resources.ts';

export const system: User = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/**
 * Writes what `make` makes of the object (a copy, which it may change), unless the object is another one by now or has gone: then somebody hears of
 * that, too.
 */
export async function writeAsServer(
  registry: Registry,
  served: ServedResource,
  { metadata }: AnyObject,
  make: (current: AnyObject) => AnyObject,
): Promise<void> {
  const { name, namespace = '', uid, resourceVersion } = metadata;
  try {
    await change(
      registry,
      {
        served,
        verb: 'update',
        namespace,
        name: name!,
        subresource: 'status',
        options: {},
        user: system,
        userAgent: 'kube-apiserver',
        warn: () => {},
      },
      {
        part: 'whole',
        make: (current) => {
          const next = make(cloneJson(current));
          next.metadata = { ...next.metadata, uid, resourceVersion };
          return next;
        },
      },
    );
  } catch (error) {
    if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
  }
}
