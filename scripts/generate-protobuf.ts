/**
 * Writes src/api/gen/protobuf.json: how Kubernetes objects are laid out in protobuf, taken from the field's own published Go
 * modules. Run by hand when the Kubernetes version changes:
 *
 *   node scripts/generate-protobuf.ts [--all] [--out file]
 *
 * Only facts are taken: message, field and type names, field numbers, and what the Go tags say of the JSON form. Without `--all`
 * only what the served kinds need is written. What a line means is told in src/api/protobuf/layout.ts.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findModules } from './generate-api/sources.ts';

const { values: flags } = parseArgs({ options: { all: { type: 'boolean' }, out: { type: 'string' } } });
const gen = join(import.meta.dirname, '..', 'src', 'api', 'gen');

interface GoField {
  json: string;
  pointer: boolean;
  omitEmpty: boolean;
  omitZero: boolean;
  inline: boolean;
}
interface GoPackage {
  group: string | undefined;
  /** By struct, then by protobuf number. */
  structs: Map<string, Map<number, GoField>>;
  lists: Set<string>;
  /** Structs that are defined as another version's: name → `v1.Name` or `metav1.Name`. */
  likes: Map<string, string>;
}
interface ProtoField {
  label: string;
  type: string;
  name: string;
  number: number;
}

const special: Record<string, string> = {
  'resource.Quantity': 'quantity',
  'intstr.IntOrString': 'intorstring',
  'runtime.RawExtension': 'raw',
  'meta.v1.Time': 'time',
  'meta.v1.MicroTime': 'microtime',
  'meta.v1.Duration': 'duration',
  'meta.v1.FieldsV1': 'json',
  'apiextensions.v1.JSON': 'json',
  'apiextensions.v1.JSONSchemaPropsOrArray': 'schemaorarray',
  'apiextensions.v1.JSONSchemaPropsOrBool': 'schemaorbool',
  'apiextensions.v1.JSONSchemaPropsOrStringArray': 'schemaorstrings',
};
/** What the special types are made of and no field names. */
const hidden = new Set([...Object.keys(special), 'runtime.TypeMeta', 'runtime.Unknown', 'meta.v1.Timestamp']);
const scalars = new Set(['string', 'int32', 'int64', 'bool', 'double', 'bytes']);

function packageFolders(): string[] {
  const modules = findModules();
  const folders = [
    join(modules.apimachinery, 'pkg/apis/meta/v1'),
    join(modules.apiextensions, 'pkg/apis/apiextensions/v1'),
    join(modules.aggregator, 'pkg/apis/apiregistration/v1'),
  ];
  for (const group of readdirSync(modules.api, { withFileTypes: true }))
    if (group.isDirectory())
      for (const version of readdirSync(join(modules.api, group.name)))
        if (/^v\d/.test(version) && group.name !== 'testdata') folders.push(join(modules.api, group.name, version));
  return folders.filter((folder) => existsSync(join(folder, 'generated.proto')));
}

function readGo(folder: string): GoPackage {
  const text = readdirSync(folder)
    .filter((file) => file.endsWith('.go') && !/_test\.go$|generated/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const structs = new Map<string, Map<number, GoField>>();
  for (const [, name, body] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
    structs.set(name!, readStruct(body!));
  return {
    group: /^const GroupName = "([^"]*)"/m.exec(text)?.[1],
    structs,
    likes: new Map(
      [...text.matchAll(/^type (\w+) =? ?((?:meta)?v\d\w*\.\w+)$/gm)].map((match) => [match[1]!, match[2]!]),
    ),
    lists: new Set([...text.matchAll(/^type (\w+) \[\]string$/gm)].map((match) => match[1]!)),
  };
}

function readStruct(body: string): Map<number, GoField> {
  const fields = new Map<number, GoField>();
  for (const line of body.split('\n')) {
    const match = /^\s+(?:\w+\s+)?(\*?)[^\s`/]*\s*`(.*)`/.exec(line);
    const number = /protobuf:"\w+,(\d+)/.exec(match?.[2] ?? '')?.[1];
    const json = /json:"([^"]*)"/.exec(match?.[2] ?? '')?.[1];
    if (!match || number === undefined || json === undefined) continue;
    const [name = '', ...options] = json.split(',');
    fields.set(Number(number), {
      json: name,
      pointer: match[1] === '*',
      omitEmpty: options.includes('omitempty'),
      omitZero: options.includes('omitzero'),
      inline: name === '',
    });
  }
  return fields;
}

/** `k8s.io.api.core.v1.Pod` → `core.v1.Pod`; a name without a dot is of the file's own package. */
function shortName(name: string, own: string): string {
  if (!name.includes('.')) return `${own}.${name}`;
  const parts = name.split('.');
  return parts.slice(/^v\d/.test(parts.at(-2)!) ? -3 : -2).join('.');
}

function readProto(folder: string): { own: string; messages: Map<string, ProtoField[]> } {
  const text = readFileSync(join(folder, 'generated.proto'), 'utf8').replaceAll(/\/\/.*$/gm, '');
  const own = shortName(`${/^package (.*);/m.exec(text)![1]}.X`, '').slice(0, -2);
  const messages = new Map<string, ProtoField[]>();
  for (const [, name, body] of text.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) {
    const fields: ProtoField[] = [];
    for (const match of body!.matchAll(/^ {2}(optional|repeated|map<string,) ([.\w]+)>? (\w+) = (\d+)/gm)) {
      const type = scalars.has(match[2]!) ? match[2]! : shortName(match[2]!, own);
      fields.push({ label: match[1]!, type, name: match[3]!, number: Number(match[4]) });
    }
    const statements = body!.split(';').filter((one) => /\S/.test(one) && !/^\s*reserved/.test(one)).length;
    if (statements !== fields.length) throw new Error(`${own}.${name}: a field that this script cannot read`);
    messages.set(`${own}.${name}`, fields);
  }
  return { own, messages };
}

const messages: Record<string, string[]> = {};
const lists = new Set<string>();
const groups: Record<string, string> = {};
const protos = packageFolders().map((folder) => ({ go: readGo(folder), ...readProto(folder) }));
for (const { go, own } of protos) {
  for (const name of go.lists) lists.add(`${own}.${name}`);
  if (go.group === undefined) throw new Error(`${own}: no group name`);
  groups[go.group === '' ? own.split('.')[1]! : `${go.group}/${own.split('.')[1]}`] = own;
}
for (const { go, messages: read } of protos)
  for (const [name, fields] of read)
    if (!hidden.has(name) && !lists.has(name)) messages[name] = fields.map((field) => lineOf(name, field, go));

function lineOf(message: string, { label, type, name, number }: ProtoField, go: GoPackage): string {
  const tags = structOf(message, go)?.get(number);
  if (tags === undefined) throw new Error(`${message}.${name} = ${number}: not found in Go`);
  const base = lists.has(type) ? 'strings' : (special[type] ?? type);
  const form = label === 'repeated' ? '[]' : label === 'optional' ? (tags.pointer ? '*' : '') : '{}';
  const plain = form === '' && (scalars.has(base) || base === 'strings');
  const marks = (plain && tags.omitEmpty ? '?' : '') + (form === '' && tags.omitZero ? '-' : '');
  if (tags.inline && (form !== '' || plain)) throw new Error(`${message}.${name}: inline, and yet not a message`);
  return `${number} ${tags.inline ? '=' : tags.json} ${form}${base}${marks}`;
}

function structOf(message: string, go: GoPackage): Map<number, GoField> | undefined {
  const [group, , name] = message.split('.');
  const like = go.likes.get(name!);
  if (like === undefined) return go.structs.get(name!);
  const [version, other] = like.split('.');
  const from = version === 'metav1' ? 'meta.v1' : `${group}.${version}`;
  return protos.find(({ own }) => own === from)?.go.structs.get(other!);
}

function needed(): Set<string> {
  const served: { group: string; version: string; kind: string; subresources?: any }[] = JSON.parse(
    readFileSync(join(gen, 'resources.json'), 'utf8'),
  );
  const found = new Set<string>();
  const add = (name: string) => {
    if (found.has(name) || messages[name] === undefined) return;
    found.add(name);
    for (const line of messages[name]) add(line.split(' ')[2]!.replaceAll(/[*?{}[\]-]/g, ''));
  };
  add('apiextensions.v1.JSONSchemaProps');
  for (const { group, version } of served) {
    const own = groups[group === '' ? version : `${group}/${version}`];
    if (own === undefined) throw new Error(`${group}/${version}: served, and yet without protobuf`);
    // a version's kinds, their lists and subresources all carry metadata or answer a request: take those that have no better sign
    for (const [name, lines] of Object.entries(messages))
      if (name.startsWith(`${own}.`) && lines.some((line) => / meta\.v1\.(ObjectMeta|ListMeta)/.test(line))) add(name);
  }
  for (const name of Object.keys(messages)) if (name.startsWith('meta.v1.')) add(name);
  return found;
}

const kept = flags.all ? new Set(Object.keys(messages)) : needed();
const prefixes = new Set([...kept].map((name) => name.split('.').slice(0, 2).join('.')));
const lines = (object: object) =>
  `{\n${Object.entries(object)
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join(',\n')}\n}`;
const kind = Object.fromEntries(Object.entries(groups).filter(([, own]) => prefixes.has(own)));
const facts = Object.fromEntries(Object.entries(messages).filter(([name]) => kept.has(name)));
writeFileSync(flags.out ?? join(gen, 'protobuf.json'), `{"packages":${lines(kind)},\n"messages":${lines(facts)}}\n`);
console.log(`${kept.size} of ${Object.keys(messages).length} messages`);
