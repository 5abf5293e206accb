/**
 * Reads from Go sources what OpenAPI does not say: whether a field's zero value is shown, left out or told apart from
 * absence (a pointer), the name of its string type, and that type's values when they are a closed set.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Modules } from './sources.ts';

export interface GoField {
  type: string;
  omitEmpty: boolean;
  omitZero: boolean;
}

export interface GoPackage {
  structs: Map<string, Map<string, GoField>>;
  /** Named string types: closed sets have values. */
  strings: Map<string, string[]>;
}

/** By the prefix that the package's OpenAPI definitions have. */
export type GoTypes = Map<string, GoPackage>;

export function readGoTypes(modules: Modules): GoTypes {
  const types: GoTypes = new Map();
  for (const group of readdirSync(modules.api)) {
    const folder = join(modules.api, group);
    if (!existsSync(folder) || group.includes('.')) continue;
    for (const version of versionsIn(folder))
      types.set(`io.k8s.api.${group}.${version}.`, readPackage(join(folder, version)));
  }
  const more: [string, string][] = [
    ['io.k8s.apimachinery.pkg.apis.meta.v1.', join(modules.apimachinery, 'pkg/apis/meta/v1')],
    [
      'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.',
      join(modules.apiextensions, 'pkg/apis/apiextensions/v1'),
    ],
    ['io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.', join(modules.aggregator, 'pkg/apis/apiregistration/v1')],
  ];
  for (const [prefix, folder] of more) types.set(prefix, readPackage(folder));
  return types;
}

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^v\d/.test(name));
  } catch {
    return [];
  }
}

function readPackage(folder: string): GoPackage {
  const text = readdirSync(folder)
    .filter(
      (file) => /^(types|.*_types|types_jsonschema|register|well_known_\w+)\.go$/.test(file) || file === 'types.go',
    )
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const raw = new Map<string, { fields: Map<string, GoField>; inline: string[] }>();
  for (const [, name, body] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
    raw.set(name!, readStruct(body!));
  const flat = (name: string): Map<string, GoField> => {
    const struct = raw.get(name);
    const fields = new Map<string, GoField>();
    for (const inner of struct?.inline ?? []) for (const entry of flat(inner)) fields.set(...entry);
    for (const entry of struct?.fields ?? []) fields.set(...entry);
    return fields;
  };
  return { structs: new Map([...raw.keys()].map((name) => [name, flat(name)])), strings: readStrings(text) };
}

function readStruct(body: string) {
  const fields = new Map<string, GoField>();
  const inline: string[] = [];
  for (const line of body.split('\n')) {
    const match = /^\s+(?:(\w+)\s+)?([^\s`/]+)\s+`json:"([^"]*)"/.exec(line);
    if (!match) continue;
    const [name, ...options] = match[3]!.split(',');
    if (name === '' && options.includes('inline')) inline.push(match[2]!.replace(/^\*?(\w+\.)?/, ''));
    else
      fields.set(name!, {
        type: match[2]!,
        omitEmpty: options.includes('omitempty'),
        omitZero: options.includes('omitzero'),
      });
  }
  return { fields, inline };
}

function readStrings(text: string): Map<string, string[]> {
  const strings = new Map<string, string[]>();
  for (const [, comment, name] of text.matchAll(/((?:^\/\/.*\n)*)^type (\w+) string$/gm)) {
    const closed = /^\/\/ ?\+enum$/m.test(comment!);
    const values = [...text.matchAll(new RegExp(`^\\s+\\w+\\s+${name} = "([^"]*)"`, 'gm'))].map((match) => match[1]!);
    strings.set(name!, closed ? [...new Set(values)] : []);
  }
  return strings;
}
