/** How an answer should look: the media type, and whether as the object itself, a table, or its metadata only. */
import { StatusError } from '../../machinery/index.ts';

export interface Representation {
  readonly mediaType: 'application/json' | 'application/yaml';
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
}

export const json: Representation = { mediaType: 'application/json', as: 'object' };
const known = new Map<string, Representation | undefined>();

/** @throws `NotAcceptable` when nothing that is asked for can be given. */
export function representationOf(accept: string | undefined): Representation {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return json;
  if (accept.length > 1024) throw StatusError.badRequest('the Accept header is longer than 1024 characters');
  let found = known.get(accept);
  if (found === undefined && !known.has(accept)) {
    found = accept
      .split(',')
      .map(read)
      .find((one) => one !== undefined);
    if (known.size > 1000) known.clear();
    known.set(accept, found);
  }
  if (found === undefined)
    throw StatusError.notAcceptable('only the following media types are accepted: application/json, application/yaml');
  return found;
}

function read(part: string): Representation | undefined {
  const [type = '', ...parameters] = part.split(';').map((one) => one.trim());
  const mediaType = mediaTypeOf(type);
  if (mediaType === undefined) return undefined;
  const values = new Map(parameters.map((parameter) => parameter.split('=') as [string, string]));
  const as = values.get('as');
  if (as === undefined) return { mediaType, as: 'object' };
  if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') return undefined;
  if (as !== 'Table' && as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList') return undefined;
  return { mediaType, as };
}

function mediaTypeOf(type: string): Representation['mediaType'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'application/json';
  if (type === 'application/yaml') return 'application/yaml';
  return undefined;
}
