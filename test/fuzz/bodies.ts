/** What is sent along: an object that almost fits, a patch of one of the four kinds, or no sense at all; then written down, and damaged. */
import { gzipSync } from 'node:zlib';
import { encodeProtobuf, type Kind } from '../../src/api/index.ts';
import type { Chance } from './chance.ts';
import { sound } from './sound.ts';
import { anything, fitting, names, text } from './values.ts';

export interface Written {
  readonly bytes: Buffer;
  readonly type: string;
  readonly encoding?: string;
}

const types = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/cbor',
  'text/plain',
  '',
  'application/json;charset=utf-16',
  'application/json-patch+json',
  'application/merge-patch+json',
  ';;;',
  'a/b/c',
];
const patches = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/apply-patch+cbor',
];
const pointers = [
  '',
  '/',
  '/metadata',
  '/metadata/labels/a',
  '/spec',
  '/spec/-',
  '/metadata/__proto__/x',
  '/a~2b',
  '/~',
  'x',
  '/data/0',
];

export function objectOf(kind: Kind, name: string, namespace: string, chance: Chance): Record<string, any> {
  const known = sound[kind.resource];
  if (known !== undefined && chance.one(2)) return touched(kind, known, name, namespace, chance);
  const made = fitting(kind.schema, chance) as Record<string, any>;
  const fits = typeof made === 'object' && made !== null && !Array.isArray(made) ? made : {};
  if (chance.one(30)) return fits;
  fits.apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  fits.kind = kind.kind;
  const { labels, annotations, finalizers, ownerReferences } = fits.metadata ?? {};
  fits.metadata = { name, ...(kind.namespaced && { namespace }) };
  if (chance.one(3)) Object.assign(fits.metadata, { labels, annotations });
  if (chance.one(20)) Object.assign(fits.metadata, { finalizers, ownerReferences });
  if (chance.one(20)) fits.metadata.managedFields = anything(chance);
  if (chance.one(40)) fits.metadata.resourceVersion = text(chance);
  if (chance.one(60)) fits.metadata.name = text(chance);
  return fits;
}

/** One that is accepted, with a wrong value in one place, or with none. */
function touched(kind: Kind, known: object, name: string, namespace: string, chance: Chance): Record<string, any> {
  const made = structuredClone(known) as Record<string, any>;
  made.apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  made.kind = kind.kind;
  made.metadata = { name, ...(kind.namespaced && { namespace }), ...made.metadata };
  if (chance.one(3)) return made;
  let at: any = made;
  for (;;) {
    const key = chance.of(Object.keys(at));
    if (key === undefined) return made;
    if (typeof at[key] === 'object' && at[key] !== null && !chance.one(5)) at = at[key];
    else {
      at[key] = anything(chance);
      return made;
    }
  }
}

export function bodyOf(kind: Kind, method: string, name: string, namespace: string, chance: Chance): Written {
  const object = () => objectOf(kind, name, namespace, chance);
  if (method !== 'PATCH')
    return damaged(written(chance.one(25) ? anything(chance) : object(), kind, typeOf(chance), chance), chance);
  const type = chance.one(30) ? chance.of(types) : chance.of(patches);
  const patch = chance.one(20)
    ? anything(chance)
    : type.startsWith('application/json-patch')
      ? operations(chance)
      : object();
  return damaged(written(patch, kind, type, chance), chance);
}

function typeOf(chance: Chance): string {
  return chance.one(15) ? chance.of(types) : chance.of(types.slice(0, 3));
}

function operations(chance: Chance): unknown[] {
  return Array.from({ length: chance.one(300) ? 20_000 : chance.below(4) }, () => ({
    op: chance.of(['add', 'replace', 'remove', 'test', 'move', 'copy', 'x']),
    path: chance.of(pointers),
    from: chance.of(pointers),
    value: anything(chance),
  }));
}

function written(value: unknown, kind: Kind, type: string, chance: Chance): Written {
  if (type === 'application/vnd.kubernetes.protobuf') {
    try {
      const version = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
      return { bytes: Buffer.from(encodeProtobuf(value as object, version, kind.kind)), type };
    } catch {
      return { bytes: Buffer.from(`k8s\0${JSON.stringify(value)}`), type };
    }
  }
  let json = JSON.stringify(value) ?? '';
  if (chance.one(300)) json = json.replace('{', `{"a":${'['.repeat(5000)}${']'.repeat(5000)},`);
  if (type.endsWith('yaml') && chance.one(3)) json = `a: &a [x, *a]\n? [b]\n: ${chance.of(names)}\n<<: *a\n`;
  return { bytes: Buffer.from(json), type };
}

/** Some arrive cut short, changed, repeated, or packed. */
function damaged({ bytes, type }: Written, chance: Chance): Written {
  if (chance.one(40)) return { bytes: gzipSync(bytes), type, encoding: chance.of(['gzip', 'deflate', 'br']) };
  if (chance.one(40)) return { bytes: bytes.subarray(0, chance.below(bytes.length + 1)), type };
  if (chance.one(2000)) return { bytes: Buffer.concat(Array(60).fill(bytes.subarray(0, 60_000))), type };
  if (chance.one(25) && bytes.length > 0) {
    const changed = Buffer.from(bytes);
    for (let left = 1 + chance.below(4); left > 0; left--) changed[chance.below(changed.length)] = chance.below(256);
    return { bytes: changed, type };
  }
  return { bytes, type };
}
