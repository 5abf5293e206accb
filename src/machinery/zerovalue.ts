/** How a fresh object of a kind looks to the Go server, which shows some fields even when nobody set them. */
import type { Schema } from './schema.ts';

type Zero = Readonly<Record<string, unknown>>;

const zeros = new WeakMap<Schema, Zero>();

/**
 * What a create is compared with. Of custom resources nothing is shown. Lists and maps that are always shown are null, so that
 * their items are new but they themselves are not.
 */
export function zeroOf(schema: Schema): Zero {
  let zero = zeros.get(schema);
  if (zero === undefined) {
    zero = schema.ref === undefined ? {} : zeroObject(schema);
    zeros.set(schema, zero);
  }
  return zero;
}

function zeroObject(schema: Schema): Zero {
  const zero: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    // the type itself cannot hold itself by value, so this ends
    if (field.zero === 'show') zero[name] = zeroValue(field);
    else if (field.zero === undefined && schema.required?.includes(name) && field.type === 'array') zero[name] = null;
  }
  return zero;
}

function zeroValue(schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
      return schema.properties === undefined ? null : zeroObject(schema);
    case 'array':
      return null;
    case 'string':
      return '';
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return 0;
    default:
      return null;
  }
}
