/** One way to read, default and check an object, whether its schema is a published definition or a custom resource's. */
import type { Schema, StatusCause } from '../machinery/index.ts';
import { checkChange } from './check.ts';
import { DecodeError, decoderOf } from './decode.ts';
import { fillDefaults, prune } from './structural.ts';

export interface Validator {
  /**
   * Makes `value`, in place, what the server holds: unknown fields are dropped, and `onUnknown` is told their paths. Built-in kinds
   * are normalised as Go would. Answers what makes it unreadable (400 BadRequest; Go's words), or undefined.
   */
  take(value: unknown, onUnknown?: (path: string) => void): string | undefined;
  /** Fills the defaults that a custom resource's schema names, in place. Built-in kinds do it in `Kind.default`. */
  fill(value: unknown): void;
  /**
   * What breaks the schema's rules (422 Invalid). For custom resources: built-in kinds have `Kind.validate`. With `old`, what was there before passes
   * where it is unchanged.
   */
  check(value: unknown, path?: string, old?: unknown): StatusCause[];
}

const validators = new WeakMap<Schema, Validator>();

export function validatorOf(schema: Schema): Validator {
  let validator = validators.get(schema);
  if (!validator) validators.set(schema, (validator = makeValidator(schema)));
  return validator;
}

function makeValidator(schema: Schema): Validator {
  const decode = schema.ref === undefined ? undefined : decoderOf(schema);
  return {
    take(value, onUnknown) {
      try {
        if (decode) decode(value, onUnknown);
        else prune(schema, value, onUnknown ?? (() => {}));
        return undefined;
      } catch (error) {
        if (error instanceof DecodeError) return error.message;
        throw error;
      }
    },
    fill: (value) => fillDefaults(schema, value),
    check: (value, path, old) => checkChange(schema, value, old, path),
  };
}
