/** Reading what nobody stores: it is asked for from where it comes from, and looks like any other resource. */
import { StatusError } from '../machinery/index.ts';
import { CacheEntry } from './cache/index.ts';
import { type Answer, type ListAnswer, type ResourceCall, selectionOf } from './registry/index.ts';
import type { Source } from './resources.ts';

export async function readSource(
  source: Source,
  call: ResourceCall,
): Promise<{ list: ListAnswer } | { answer: Answer }> {
  const { namespace, name, verb, served } = call;
  const { matchesObject } = selectionOf(call);
  const objects = await source({ namespace, name: verb === 'get' ? name : '', matches: matchesObject });
  if (verb === 'list')
    return {
      list: {
        entries: objects.map((object) => new CacheEntry(object.metadata.name!, 0, undefined, object)),
        revision: 0,
      },
    };
  const [object] = objects;
  if (object === undefined) throw StatusError.notFound(served.kind, name);
  return { answer: { code: 200, object } };
}
