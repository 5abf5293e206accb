import { apiVersionOf, type Resource } from '../../machinery/index.ts';
import type { ListOptions, ObjectRef, WatchOptions, WriteOptions } from '../client.ts';

/** `/api/v1/namespaces/ns/pods/name/status`, and all its shorter forms. */
export function pathOf(resource: Resource<any>, of: Partial<ObjectRef>, subresource?: string): string {
  const parts = [resource.group === '' ? 'api' : 'apis', ...apiVersionOf(resource).split('/')];
  if (resource.namespaced && of.namespace) parts.push('namespaces', of.namespace);
  parts.push(resource.resource);
  if (of.name !== undefined) {
    if (of.name === '') throw new TypeError(`a ${resource.kind} without a name: set metadata.name`);
    if (resource.namespaced && !of.namespace) {
      throw new TypeError(`${resource.kind} ${of.name} without a namespace: set metadata.namespace`);
    }
    parts.push(of.name, ...(subresource ? subresource.split('/') : []));
  }
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

/** A query string of those that are set, or nothing. */
export function queryOf(values: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== '' && value !== false) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

export function listQuery(options: ListOptions & Partial<WatchOptions>, watch = false): string {
  const { labelSelector, fieldSelector, limit, continue: token, resourceVersion, resourceVersionMatch } = options;
  const { allowWatchBookmarks, sendInitialEvents, timeoutSeconds } = options;
  const watching = watch
    ? { watch, allowWatchBookmarks, sendInitialEvents, timeoutSeconds }
    : { limit, continue: token };
  return queryOf({ labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, ...watching });
}

export function writeQuery({ dryRun, fieldManager, fieldValidation }: WriteOptions, force?: boolean): string {
  return queryOf({ dryRun: dryRun && 'All', fieldManager, fieldValidation, force });
}
