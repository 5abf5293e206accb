/** How an answer should look: the media type, and whether as the object itself, a table, or its metadata only. */
import { hasProtobuf } from '../../api/index.ts';
import { StatusError } from '../../machinery/index.ts';
import type { ServedResource } from '../resources.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

export interface Representation {
  readonly mediaType: 'application/json' | 'application/yaml' | typeof protobufType;
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
}

/** Which forms a resource has besides JSON and YAML. */
export interface Forms {
  /** Built-in kinds; anybody's metadata has it. */
  readonly protobuf: boolean;
  /** What is kept and can be listed; reviews and the like are answers only. */
  readonly table: boolean;
}

export const json: Representation = { mediaType: 'application/json', as: 'object' };
const known = new Map<string, readonly Representation[]>();

export function formsOf({ kind, apiVersion }: Pick<ServedResource, 'kind' | 'apiVersion'>): Forms {
  return { protobuf: hasProtobuf(apiVersion, kind.kind), table: kind.verbs.includes('get') };
}

/** The first that is asked for and can be had. @throws `NotAcceptable` when there is none. */
export function representationOf(accept: string | undefined, forms: Forms): Representation {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return json;
  if (accept.length > 1024) throw StatusError.badRequest('the Accept header is longer than 1024 characters');
  let wanted = known.get(accept);
  if (wanted === undefined) {
    wanted = accept
      .split(',')
      .map(read)
      .filter((one) => one !== undefined);
    if (known.size > 1000) known.clear();
    known.set(accept, wanted);
  }
  const found = wanted.find((one) => canBe(one, forms));
  if (found === undefined)
    throw StatusError.notAcceptable(
      `only the following media types are accepted: application/json, application/yaml${forms.protobuf ? `, ${protobufType}` : ''}`,
    );
  return found;
}

function canBe({ mediaType, as }: Representation, forms: Forms): boolean {
  if (as === 'Table') return forms.table;
  return mediaType !== protobufType || as !== 'object' || forms.protobuf;
}

function read(part: string): Representation | undefined {
  const [type = '', ...parameters] = part.split(';').map((one) => one.trim());
  const mediaType = mediaTypeOf(type);
  if (mediaType === undefined) return undefined;
  const values = new Map(parameters.map((parameter) => parameter.split('=') as [string, string]));
  const as = values.get('as');
  if (as === undefined) return mediaType === json.mediaType ? json : { mediaType, as: 'object' };
  if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') return undefined;
  // a table's cells have no protobuf form
  if (as === 'Table') return mediaType === protobufType ? undefined : { mediaType, as };
  if (as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList') return undefined;
  return { mediaType, as };
}

function mediaTypeOf(type: string): Representation['mediaType'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'application/json';
  if (type === 'application/yaml' || type === protobufType) return type;
  return undefined;
}
