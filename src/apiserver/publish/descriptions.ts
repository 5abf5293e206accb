/**
 * What each field is for, in upstream's words. They are read when somebody asks (`kubectl explain`) from the typings of
 * `@kubernetes/client-node`, which carry them; where that package is not installed there are none.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface Descriptions {
  self: string;
  fields: Record<string, string>;
}

let folder: string | undefined | null;

function modelsFolder(): string | undefined {
  if (folder === undefined) {
    try {
      folder = join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen', 'models');
    } catch {
      folder = null;
    }
  }
  return folder ?? undefined;
}

/** Of a definition such as `io.k8s.api.core.v1.PodSpec`; undefined when nothing is known. */
export function descriptionsOf(name: string): Descriptions | undefined {
  const models = modelsFolder();
  const parts = name.split('.');
  const [kind = '', version = '', group = ''] = parts.toReversed();
  const versioned = version.charAt(0).toUpperCase() + version.slice(1);
  const prefix = group.charAt(0).toUpperCase() + group.slice(1);
  if (models === undefined) return undefined;
  for (const file of [`${versioned}${kind}`, `${prefix}${versioned}${kind}`]) {
    try {
      const found = parse(readFileSync(join(models, `${file}.d.ts`), 'utf8'));
      // the typings have no words for fields that are objects of a kind of their own; these two everybody looks up
      found.fields['metadata'] ??= kind.endsWith('List') ? 'Standard list metadata.' : "Standard object's metadata.";
      return found;
    } catch {
      // not the name of this one
    }
  }
  return undefined;
}

function parse(source: string): Descriptions {
  const found: Descriptions = { self: '', fields: {} };
  for (const [, comment = '', declared = ''] of source.matchAll(
    /\/\*\*\n((?:(?!\*\/)[\s\S])*)\*\/\s*(export declare class|'[^']+')/g,
  )) {
    const text = comment
      .split('\n')
      .map((line) => line.replace(/^\s*\*\s?/, ''))
      .join('\n')
      .trim();
    if (declared.startsWith("'")) found.fields[declared.slice(1, -1)] = text;
    else found.self = text;
  }
  return found;
}

let parameters: Map<string, string> | undefined;

/** Of what can be asked for in a query, such as `labelSelector`. */
export function parameterDescription(name: string): string | undefined {
  parameters ??= readParameters();
  return parameters.get(name);
}

function readParameters(): Map<string, string> {
  const models = modelsFolder();
  const found = new Map<string, string>();
  if (models === undefined) return found;
  const source = readFileSync(join(models, '..', 'apis', 'AppsV1Api.d.ts'), 'utf8');
  for (const [, name = '', told = ''] of source.matchAll(/^\s*\* @param _?(\w+) (.+)$/gm))
    if (!found.has(name)) found.set(name, told.trim());
  return found;
}
