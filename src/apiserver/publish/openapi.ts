/**
 * OpenAPI v3 (a document a group version) and v2 (one for all), as `kubectl explain`, `apply` and client generators read them. Made when first
 * asked for, kept until what is served changes.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { definition, definitionNames, gvkOfDefinition, type Kind, kubernetesVersion } from '../../api/index.ts';
import type { Schema } from '../../machinery/index.ts';
import { answersItself } from '../registry/index.ts';
import type { Resources, ServedResource } from '../resources.ts';
import { customDefinitions, customName, type Style } from './custom.ts';
import { descriptionsOf, parameterDescription } from './descriptions.ts';
import { protobufDefinition, protobufHead, protobufPath } from './openapiproto.ts';

type Json = Record<string, unknown>;

const v3: Style = { refs: '#/components/schemas/', wrapped: true };
const v2: Style = { refs: '#/definitions/', wrapped: false };

/** `api/v1` or `apis/apps/v1`: how group versions are named in OpenAPI paths. */
export function pathOf(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

export class OpenApi {
  readonly #resources: Resources;
  readonly #documents = new Map<string, Document>();

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** `/openapi/v3`: the address of each document, with a hash so that clients can keep it. */
  index(): unknown {
    const paths: Json = {};
    const groups = new Map<string, ServedResource[]>();
    for (const served of this.#resources.all()) {
      const path = pathOf(served.kind.group, served.kind.version);
      const group = groups.get(path);
      if (group === undefined) groups.set(path, [served]);
      else group.push(served);
    }
    for (const path of [...groups.keys()].sort())
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${tagOf(groups.get(path)!)}` };
    for (const { group, version, available } of this.#resources.remote.values()) {
      const path = pathOf(group, version);
      if (available) paths[path] = { serverRelativeURL: `/openapi/v3/${path}` };
      else delete paths[path];
    }
    return { paths };
  }

  /** Undefined when no such group version is served. */
  v3(path: string): Document | undefined {
    const served = [...this.#resources.all()].filter(({ kind }) => pathOf(kind.group, kind.version) === path);
    if (served.length === 0) return undefined;
    return this.#keep(path, served, v3);
  }

  v2(form: 'json' | 'protobuf'): Document {
    return form === 'json'
      ? this.#keep('v2', [...this.#resources.all()], v2)
      : this.#keep('v2 protobuf', [...this.#resources.all()], v2, binaryPieces);
  }

  #keep(name: string, served: readonly ServedResource[], style: Style, piecesOf: PiecesOf = pieces): Document {
    const tag = piecesOf === pieces ? tagOf(served) : `${tagOf(served)}-P`;
    const known = this.#documents.get(name);
    if (known?.tag === tag) return known;
    const document = { tag, body: written(piecesOf(served, style)) };
    this.#documents.set(name, document);
    return document;
  }
}

export interface Document {
  /** Another one when the document is another. */
  readonly tag: string;
  readonly body: Promise<Buffer>;
}

/** Built-in kinds change with the release only. */
function tagOf(served: readonly ServedResource[]): string {
  const hash = createHash('sha256').update(kubernetesVersion);
  for (const { kind } of served)
    if (kind.custom !== undefined) hash.update(`${kind.custom.revision} ${kind.kind} ${kind.listKind}\n`);
  return hash.digest('hex').toUpperCase();
}

/** Text of a document that is written in one go: the largest takes a tenth of a second, and others want to be served meanwhile. */
const goLength = 32 * 1024;

type PiecesOf = (served: readonly ServedResource[], style: Style) => Iterable<string | Buffer>;

async function written(pieces: Iterable<string | Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for (const piece of pieces) {
    parts.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
    length += piece.length;
    if (length < goLength) continue;
    length = 0;
    await setImmediate();
  }
  return Buffer.concat(parts);
}

const info = { title: 'Kubernetes', version: kubernetesVersion };

/** A document, a path and a definition at a time. */
function* pieces(served: readonly ServedResource[], style: Style): Generator<string> {
  const head = `"info":${JSON.stringify(info)},"paths":{`;
  yield style.wrapped ? `{"openapi":"3.0.0",${head}` : `{"swagger":"2.0",${head}`;
  let comma = '';
  for (const [path, item] of allPaths(served, style)) {
    yield `${comma}${JSON.stringify(path)}:${JSON.stringify(item)}`;
    comma = ',';
  }
  yield style.wrapped ? '},"components":{"schemas":{' : '},"definitions":{';
  comma = '';
  for (const [name, body] of allDefinitions(served, style)) {
    yield `${comma}${JSON.stringify(name)}:${JSON.stringify(body)}`;
    comma = ',';
  }
  yield style.wrapped ? '}}}' : '}}';
}

function* binaryPieces(served: readonly ServedResource[], style: Style): Generator<Buffer> {
  yield protobufHead(info);
  for (const [path, item] of allPaths(served, style)) yield protobufPath(path, item as Json);
  for (const [name, body] of allDefinitions(served, style)) yield protobufDefinition(name, body as Json);
}

function* allPaths(served: readonly ServedResource[], style: Style): Generator<[string, unknown]> {
  for (const one of served) yield* Object.entries(pathsOf(one, style));
}

function* allDefinitions(served: readonly ServedResource[], style: Style): Generator<[string, unknown]> {
  for (const [name, schema] of schemasOf(served)) yield [name, bodyOf(schema, style, name)];
  for (const { kind } of served) if (kind.custom !== undefined) yield* customDefinitions(kind, style);
}

/** Every definition that these resources lead to, once. */
function* schemasOf(served: readonly ServedResource[]): Generator<[string, Schema]> {
  const seen = new Set<string>();
  function* add(schema: Schema | undefined): Generator<[string, Schema]> {
    if (schema === undefined) return;
    if (schema.ref !== undefined) {
      if (seen.has(schema.ref)) return;
      seen.add(schema.ref);
      yield [schema.ref, schema];
    }
    for (const field of Object.values(schema.properties ?? {})) yield* add(field);
    yield* add(schema.items);
    yield* add(schema.additionalProperties);
  }
  for (const { kind } of served) {
    if (kind.custom === undefined) yield* add(kind.schema);
    else yield* add(kind.schema.properties?.metadata);
    if (kind.schema.ref !== undefined) yield* add(definition(`${kind.schema.ref}List`));
    for (const sub of Object.values(kind.subresources)) yield* add(byGvk(sub.kind));
  }
  for (const name of ['Status', 'DeleteOptions', 'ListMeta', 'APIResourceList', 'Patch', 'WatchEvent'])
    yield* add(definition(`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`));
}

let names: Map<string, string> | undefined;

function byGvk({ group, version, kind }: { group: string; version: string; kind: string }): Schema | undefined {
  names ??= new Map(
    definitionNames().flatMap((name) => (gvkOfDefinition(name) ? [[gvkOfDefinition(name)!, name] as const] : [])),
  );
  const name = names.get(`${group}/${version}/${kind}`);
  return name === undefined ? undefined : definition(name);
}

/** A definition in full; fields refer to other definitions. */
function bodyOf(schema: Schema, style: Style, name: string): Json {
  const gvk = gvkOfDefinition(name)?.split('/');
  const told = descriptionsOf(name);
  const properties = Object.entries(schema.properties ?? {});
  return {
    ...(told?.self && { description: told.self }),
    ...typeOf(schema),
    ...(schema.required && { required: schema.required }),
    ...(properties.length > 0 && {
      properties: Object.fromEntries(
        properties.map(([field, inner]) => [field, fieldOf(inner, style, told?.fields[field])]),
      ),
    }),
    ...(gvk && { 'x-kubernetes-group-version-kind': [{ group: gvk[0], version: gvk[1], kind: gvk[2] }] }),
    ...(schema.mapType && { 'x-kubernetes-map-type': schema.mapType }),
  };
}

function typeOf(schema: Schema): Json {
  if (schema.format === 'int-or-string') return { type: 'string', format: 'int-or-string' };
  if (schema.format === 'quantity') return { type: 'string' };
  if (schema.format === 'micro-time') return { type: 'string', format: 'date-time' };
  if (schema.format?.startsWith('schema-or-')) return {};
  return { ...(schema.type && { type: schema.type }), ...(schema.format && { format: schema.format }) };
}

function fieldOf(schema: Schema, style: Style, description: string | undefined): Json {
  const merge: Json = {
    ...(description && { description }),
    ...(schema.listType && { 'x-kubernetes-list-type': schema.listType }),
    ...(schema.listMapKeys && { 'x-kubernetes-list-map-keys': schema.listMapKeys }),
    ...(schema.patchStrategy && { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') }),
    ...(schema.patchMergeKey && { 'x-kubernetes-patch-merge-key': schema.patchMergeKey }),
    ...(schema.default !== undefined && { default: schema.default }),
  };
  if (schema.ref !== undefined) {
    const ref = { $ref: style.refs + schema.ref };
    return style.wrapped && Object.keys(merge).length > 0 ? { allOf: [ref], ...merge } : { ...ref, ...merge };
  }
  return {
    ...typeOf(schema),
    ...(schema.enum && { enum: schema.enum }),
    ...(schema.items && { items: fieldOf(schema.items, style, undefined) }),
    ...(schema.additionalProperties && {
      additionalProperties: fieldOf(schema.additionalProperties, style, undefined),
    }),
    ...merge,
  };
}

const actions = {
  list: 'get',
  create: 'post',
  deletecollection: 'delete',
  get: 'get',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
} as const;
const onCollection = new Set(['list', 'create', 'deletecollection']);
const patchTypes = ['json-patch+json', 'merge-patch+json', 'strategic-merge-patch+json', 'apply-patch+yaml'];

function pathsOf({ kind }: ServedResource, style: Style): Json {
  const paths: Record<string, Json> = {};
  const base = `/${pathOf(kind.group, kind.version)}`;
  const scope = kind.namespaced ? '/namespaces/{namespace}' : '';
  const collection = `${base}${scope}/${kind.resource}`;
  const one = `${collection}/{name}`;
  const ref = kind.custom === undefined ? kind.schema.ref : customName(kind);
  const list = kind.custom === undefined ? `${ref}List` : customName({ ...kind, kind: kind.listKind! });
  for (const verb of kind.verbs) if (verb !== 'watch') add(onCollection.has(verb) ? collection : one, verb, kind, ref);
  if (kind.namespaced && kind.verbs.includes('list')) add(`${base}/${kind.resource}`, 'list', kind, ref);
  for (const [name, sub] of Object.entries(kind.subresources))
    for (const verb of sub.verbs) add(`${one}/${name}`, verb, sub.kind, name === 'status' ? ref : byGvk(sub.kind)?.ref);
  return paths;

  function add(
    path: string,
    verb: string,
    of: { group: string; version: string; kind: string },
    ref: string | undefined,
  ): void {
    const method = actions[verb as keyof typeof actions];
    if (method === undefined) return;
    const answer = verb === 'list' ? list : answersStatus(verb, kind) ? statusName : ref;
    const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => parameter(name!, 'path', 'string', style));
    (paths[path] ??= parameters.length > 0 ? { parameters } : {})[method] = {
      'x-kubernetes-action': verb === 'create' ? 'post' : verb === 'update' ? 'put' : verb,
      'x-kubernetes-group-version-kind': { group: of.group, version: of.version, kind: of.kind },
      ...operationOf(verb, { body: ref, answer, strategic: kind.custom === undefined }, style),
    };
  }
}

const statusName = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

/** A namespace is answered with itself when it goes, but upstream does not say so. */
function answersStatus(verb: string, kind: Kind): boolean {
  return verb === 'deletecollection' || (verb === 'delete' && (!answersItself(kind) || kind.resource === 'namespaces'));
}

interface Travels {
  readonly body: string | undefined;
  readonly answer: string | undefined;
  /** Whether it takes strategic merge patches. */
  readonly strategic: boolean;
}

function operationOf(verb: string, { body: ref, answer, strategic }: Travels, style: Style): Json {
  const writes = verb === 'create' || verb === 'update' || verb === 'patch';
  const body = verb === 'patch' ? 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch' : ref;
  const types = verb === 'patch' ? patchTypesOf(strategic) : ['application/json', 'application/yaml'];
  const parameters = [
    ...(writes
      ? ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => parameter(name, 'query', 'string', style))
      : []),
    ...(verb === 'patch' ? [parameter('force', 'query', 'boolean', style)] : []),
    ...(verb === 'list' || verb === 'deletecollection' ? listParameters(style) : []),
  ];
  const schema = (name: string | undefined) => (name === undefined ? {} : { $ref: style.refs + name });
  if (!style.wrapped) {
    if (writes) parameters.push({ name: 'body', in: 'body', required: true, schema: schema(body) });
    return {
      consumes: types,
      produces: ['application/json', 'application/yaml'],
      ...(parameters.length > 0 && { parameters }),
      responses: { 200: { description: 'OK', schema: schema(answer) } },
    };
  }
  return {
    ...(parameters.length > 0 && { parameters }),
    ...(writes && {
      requestBody: {
        required: true,
        content: Object.fromEntries(types.map((type) => [type, { schema: schema(body) }])),
      },
    }),
    responses: { 200: { description: 'OK', content: { 'application/json': { schema: schema(answer) } } } },
  };
}

function parameter(name: string, where: string, type: string, style: Style): Json {
  const typed = style.wrapped ? { schema: { type, uniqueItems: true } } : { type, uniqueItems: true };
  const description = where === 'query' ? parameterDescription(name) : undefined;
  return {
    name,
    in: where,
    ...(description && { description }),
    ...(where === 'path' && { required: true }),
    ...typed,
  };
}

function listParameters(style: Style): Json[] {
  const strings = ['continue', 'fieldSelector', 'labelSelector', 'resourceVersion', 'resourceVersionMatch'];
  return [
    ...strings.map((name) => parameter(name, 'query', 'string', style)),
    parameter('limit', 'query', 'integer', style),
    parameter('timeoutSeconds', 'query', 'integer', style),
    parameter('watch', 'query', 'boolean', style),
  ];
}

function patchTypesOf(strategic: boolean): string[] {
  const types = patchTypes.filter((type) => strategic || !type.startsWith('strategic'));
  return types.map((type) => `application/${type}`);
}
