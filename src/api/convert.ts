/** Kinds that are served in two shapes and stored in one. */
import { type AnyObject, apiVersionOf } from '../machinery/index.ts';
import { eventFromV1, eventToV1 } from './events.k8s.io/v1/event.ts';
import { hpaFromV1, hpaToV1 } from './autoscaling/v1/horizontalpodautoscaler.ts';
import type { Kind } from './kind.ts';

/** By `from → to`. */
const conversions: Record<string, (object: AnyObject) => AnyObject> = {
  'v1/Event → events.k8s.io/v1': eventToV1,
  'events.k8s.io/v1/Event → v1': eventFromV1,
  'autoscaling/v2/HorizontalPodAutoscaler → autoscaling/v1': hpaToV1,
  'autoscaling/v1/HorizontalPodAutoscaler → autoscaling/v2': hpaFromV1,
};

/** Which kind a kind is stored as, by `apiVersion/Kind`, where that is another one. */
const storedAs: Record<string, { group: string; version: string }> = {
  'events.k8s.io/v1/Event': { group: '', version: 'v1' },
  'autoscaling/v1/HorizontalPodAutoscaler': { group: 'autoscaling', version: 'v2' },
};

/** The group and version in which objects of this kind are stored. */
export function storageVersionOf(kind: Pick<Kind, 'group' | 'version' | 'kind'>): { group: string; version: string } {
  return storedAs[`${apiVersionOf(kind)}/${kind.kind}`] ?? { group: kind.group, version: kind.version };
}

/** `object` as the other kind has it; the same object when it is of that version already. The argument is not changed. */
export function convertKind(object: AnyObject, to: Pick<Kind, 'group' | 'version'>): AnyObject {
  const apiVersion = apiVersionOf(to);
  if (object.apiVersion === apiVersion) return object;
  const convert = conversions[`${object.apiVersion}/${object.kind} → ${apiVersion}`];
  return convert ? convert(object) : { ...object, apiVersion };
}
