/** What a list or watch asks for, compiled once per request. */
import {
  type AnyObject,
  parseFieldSelector,
  parseSelector,
  type Selector,
  StatusError,
} from '../../machinery/index.ts';
import type { CacheEntry } from '../cache/index.ts';
import type { ResourceCall } from './context.ts';
import { fromStored } from './convert.ts';

export interface Selection {
  /** No object is left out (within the namespace asked for). */
  readonly everything: boolean;
  /** Names the selection: two watches with the same key see the same events. */
  readonly key: string;
  matches(entry: CacheEntry): boolean;
  matchesObject(object: AnyObject): boolean;
}

export function selectionOf(call: Pick<ResourceCall, 'served' | 'options' | 'name' | 'verb'>): Selection {
  const { labelSelector, fieldSelector } = call.options;
  const labels = labelSelector ? labelsOf(labelSelector) : undefined;
  const fields = fieldSelector ? fieldsOf(call, fieldSelector) : undefined;
  const name = call.verb === 'watch' && call.name !== '' ? call.name : '';
  const matchesObject = (object: AnyObject): boolean =>
    (name === '' || object.metadata.name === name) &&
    (labels === undefined || labels.matches(object.metadata.labels)) &&
    (fields === undefined || fields(object));
  const everything = labels === undefined && fields === undefined && name === '';
  return {
    everything,
    key: everything ? '' : `${labelSelector ?? ''}\n${fieldSelector ?? ''}\n${name}`,
    matches: everything ? () => true : (entry) => matchesObject(objectOf(call.served, entry)),
    matchesObject,
  };
}

/** Selectable fields are those of the version asked for. */
function objectOf(served: ResourceCall['served'], entry: CacheEntry): AnyObject {
  return served.view === undefined ? fromStored(served, entry.object) : served.view.of(entry).object;
}

function labelsOf(text: string): Selector | undefined {
  const selector = parseSelector(text);
  return selector.empty ? undefined : selector;
}

function fieldsOf(call: Pick<ResourceCall, 'served'>, text: string): ((object: AnyObject) => boolean) | undefined {
  const { kind } = call.served;
  const selector = parseFieldSelector(text);
  if (selector.empty) return undefined;
  const getters = new Map<string, (object: AnyObject) => string>();
  for (const { field } of selector.requirements) {
    const getter = getterOf(kind, field);
    if (getter === undefined)
      throw StatusError.badRequest(
        `Unable to find ${JSON.stringify(`${kind.group}/${kind.version}, Resource=${kind.resource}`)} that match label selector "", field selector ${JSON.stringify(text)}: field label not supported: ${field}`,
      );
    getters.set(field, getter);
  }
  return (object) => selector.matches((field) => getters.get(field)!(object));
}

function getterOf(kind: ResourceCall['served']['kind'], field: string): ((object: AnyObject) => string) | undefined {
  if (field === 'metadata.name') return (object) => object.metadata.name ?? '';
  if (field === 'metadata.namespace' && kind.namespaced) return (object) => object.metadata.namespace ?? '';
  return Object.hasOwn(kind.selectableFields, field) ? kind.selectableFields[field] : undefined;
}
