/** Between the version that was asked for and the version that is kept. Most kinds have one; then nothing happens. */
import { convertKind } from '../../api/index.ts';
import type { AnyObject } from '../../machinery/index.ts';
import type { ServedResource } from '../resources.ts';

export function toStored(served: ServedResource, object: AnyObject): AnyObject {
  return served.stored === served.kind ? object : convertKind(object, served.stored);
}

export function fromStored(served: ServedResource, object: AnyObject): AnyObject {
  return served.stored === served.kind ? object : convertKind(object, served.kind);
}
