/** What expressions that change objects need: `Object{spec: Object.spec{…}}`, `JSONPatch{…}`, and the escaping of keys. */
import type { Environment } from '../environment.ts';
import type { Library } from '../environment.ts';
import { type CallCost, overload } from '../overload.ts';
import { sizeOf, traversal } from '../size.ts';
import { dynType, type Field, type Fields, stringType, structType, type Type } from '../types.ts';

const once: CallCost = ([text]) => traversal(sizeOf(text));
const escape = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');

const patchFields: Record<string, Type> = { op: stringType, path: stringType, from: stringType, value: dynType };

/** One operation of a JSON patch. */
export const jsonPatchType = structType('JSONPatch', {
  get: (name) => (Object.hasOwn(patchFields, name) ? { type: patchFields[name] as Type, key: name } : undefined),
  plain: true,
});

/** For expressions that give a list of operations. */
export const jsonPatchLibrary: Library = {
  types: [jsonPatchType],
  overloads: [overload('string_jsonpatch_escapeKey_string', 'jsonpatch.escapeKey(string) -> string', escape, once)],
};

/** Any field, of any type: what is changed is not known by its schema. */
class AnyFields implements Fields {
  readonly plain = true;
  get(name: string): Field {
    return { type: dynType, key: name };
  }
}

/** The struct `Object`, and for the field path of each nested one `Object.spec`, `Object.spec.template`. */
export const objectType = structType('Object', new AnyFields());

class ObjectTypes extends Map<string, Type> {
  override get(name: string): Type | undefined {
    const known = super.get(name);
    if (known || !/^Object(\.[A-Za-z_]\w*)+$/.test(name)) return known;
    return structType(name, new AnyFields());
  }
}

/** The environment with the types of objects that are written field by field. */
export function withObjectTypes(environment: Environment): Environment {
  const types = new ObjectTypes([...environment.types, [objectType.name, objectType]]);
  return Object.create(environment, { types: { value: types } }) as Environment;
}
