/**
 * JSON patches (RFC 6902). The document is never changed: what the patch touches is copied, the rest is shared with the
 * result, so neither may be written to afterwards. As in Kubernetes, an index may be negative and then counts from the end.
 */
import { cloneJson, equalJson, isObject } from './json.ts';
import { parsePointer, setField } from './jsonpointer.ts';
import { StatusError } from './status.ts';

export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  path: string;
  from?: string;
  value?: unknown;
}

const maxOperations = 10_000;
/** Bytes that the `copy` operations of one patch may add in all: without a bound, 30 of them make gigabytes. */
const maxCopied = 3 * 1024 * 1024;

/**
 * Applies every operation, or none. Throws `BadRequest` when the patch is not one, `RequestEntityTooLarge` when it has too
 * many operations, and `Invalid` when an operation does not fit the document.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw StatusError.badRequest('a JSON patch must be an array of operations, such as [{"op":"remove","path":"/x"}]');
  if (patch.length > maxOperations)
    throw StatusError.tooLarge(
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  const run = new Run(document);
  for (const [index, operation] of patch.entries()) run.apply(checked(operation, index));
  return run.document;
}

function checked(operation: unknown, index: number): JsonPatchOperation {
  if (!isObject(operation)) throw StatusError.badRequest(`operation ${index} of the JSON patch must be an object`);
  for (const field of ['op', 'path', 'from'])
    if (operation[field] !== undefined && typeof operation[field] !== 'string')
      throw StatusError.badRequest(`operation ${index} of the JSON patch: ${field} must be a string`);
  return operation as JsonPatchOperation;
}

/** One application of a patch: the document so far, and which of its nodes were made by this run and may be changed. */
class Run {
  document: unknown;
  readonly #own = new Set<object>();
  #copied = 0;

  constructor(document: unknown) {
    this.document = document;
  }

  apply({ op, path, from, ...rest }: JsonPatchOperation): void {
    const names = pathOf(op, path);
    switch (op) {
      case 'add':
        return this.#add(op, names, path, valueOf(op, path, rest));
      case 'remove':
        return void this.#remove(op, names, path);
      case 'replace':
        return this.#replace(names, path, valueOf(op, path, rest));
      case 'move':
        return this.#move(names, path, pathOf(op, from, 'from'), from!);
      case 'copy':
        return this.#copy(names, path, pathOf(op, from, 'from'), from!);
      case 'test':
        return this.#test(names, path, rest.value ?? null);
      default:
        throw invalid(`Unexpected kind: ${op ?? 'unknown'}`);
    }
  }

  #add(op: string, names: readonly string[], path: string, value: unknown): void {
    if (names.length === 0) {
      this.document = value;
      return;
    }
    const parent = this.#parentForWriting(op, names, path);
    const name = names[names.length - 1]!;
    if (Array.isArray(parent))
      parent.splice(name === '-' ? parent.length : indexIn(name, parent.length + 1, op, path), 0, value);
    else setField(parent, name, value);
  }

  #remove(op: string, names: readonly string[], path: string): unknown {
    if (names.length === 0) throw invalid(`error in ${op} for path: '': the whole document cannot be removed`);
    const parent = this.#parentForWriting(op, names, path);
    const name = names[names.length - 1]!;
    if (Array.isArray(parent)) return parent.splice(indexIn(name, parent.length, op, path), 1)[0];
    if (!Object.hasOwn(parent, name))
      throw invalid(`error in ${op} for path: '${path}': Unable to remove nonexistent key: ${name}: missing value`);
    const value = parent[name];
    delete parent[name];
    return value;
  }

  #replace(names: readonly string[], path: string, value: unknown): void {
    if (names.length === 0) {
      this.document = value;
      return;
    }
    const parent = this.#parentForWriting('replace', names, path);
    const name = names[names.length - 1]!;
    if (Array.isArray(parent)) parent[indexIn(name, parent.length, 'replace', path)] = value;
    else if (Object.hasOwn(parent, name)) setField(parent, name, value);
    else throw invalid(`replace operation does not apply: doc is missing key: ${path}: missing value`);
  }

  #move(names: readonly string[], path: string, from: readonly string[], fromPath: string): void {
    if (path.startsWith(`${fromPath}/`))
      throw invalid(`error in move for path: '${path}': ${JSON.stringify(fromPath)} cannot be moved into itself`);
    // moving a value to where it is needs only that it is there
    if (path === fromPath) return void this.#read('move', from, fromPath, 'from path');
    this.#add('move', names, path, this.#remove('move', from, fromPath));
  }

  #copy(names: readonly string[], path: string, from: readonly string[], fromPath: string): void {
    const value = this.#read('copy', from, fromPath, 'from path');
    this.#copied += JSON.stringify(value).length;
    if (this.#copied > maxCopied)
      throw invalid(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copied}, exceeding the limit ${maxCopied}`,
      );
    // a true copy: both places may be changed later in this run
    this.#add('copy', names, path, cloneJson(value));
  }

  #test(names: readonly string[], path: string, expected: unknown): void {
    if (!equalJson(this.#read('test', names, path, 'path'), expected))
      throw invalid(`testing value ${path} failed: test failed`);
  }

  #read(op: string, names: readonly string[], path: string, what: string): unknown {
    let node = this.document;
    for (const [depth, name] of names.entries()) {
      if (Array.isArray(node)) {
        if (depth < names.length - 1 && !isIndexIn(name, node.length)) throw missing(op, path, what);
        node = node[indexIn(name, node.length, op, path)];
      } else if (isObject(node) && Object.hasOwn(node, name)) node = node[name];
      else throw missing(op, path, what);
    }
    return node;
  }

  /** What holds the last name of the path, copied down from the root as far as it is not this run's own. */
  #parentForWriting(op: string, names: readonly string[], path: string): any {
    let node = this.#owned(this.document);
    if (node === undefined) throw missing(op, path, 'path');
    this.document = node;
    for (const name of names.slice(0, -1)) {
      let key: string | number = name;
      if (Array.isArray(node)) {
        if (!isIndexIn(name, node.length)) throw missing(op, path, 'path');
        key = indexIn(name, node.length, op, path);
      } else if (!Object.hasOwn(node, name)) throw missing(op, path, 'path');
      const child = this.#owned(node[key]);
      if (child === undefined) throw missing(op, path, 'path');
      setField(node, key, child);
      node = child;
    }
    return node;
  }

  /** The node itself or a copy that may be changed; undefined when nothing can be inside it. */
  #owned(node: unknown): any {
    if (typeof node !== 'object' || node === null) return undefined;
    if (this.#own.has(node)) return node;
    const copy = Array.isArray(node) ? [...node] : { ...node };
    this.#own.add(copy);
    return copy;
  }
}

function pathOf(op: string, path: string | undefined, field = 'path'): string[] {
  const names = path === undefined ? undefined : parsePointer(path);
  if (names === undefined)
    throw invalid(
      path === undefined
        ? `${op} operation failed to decode ${field}: missing value`
        : `${op} operation failed to decode ${field}: ${JSON.stringify(path)} is not a JSON pointer, which starts with "/"`,
    );
  return names;
}

function valueOf(op: string, path: string, operation: { value?: unknown }): unknown {
  if (operation.value === undefined) throw invalid(`${op} operation for path ${JSON.stringify(path)} needs a value`);
  return operation.value;
}

function isIndexIn(name: string, length: number): boolean {
  return /^(0|-?[1-9][0-9]{0,9})$/.test(name) && Number(name) < length && Number(name) >= -length;
}

function indexIn(name: string, length: number, op: string, path: string): number {
  if (!isIndexIn(name, length))
    throw invalid(
      `error in ${op} for path: '${path}': Unable to access invalid index: ${name}: invalid index referenced`,
    );
  const index = Number(name);
  return index < 0 ? index + length : index;
}

function missing(op: string, path: string, what: string): StatusError {
  return invalid(`${op} operation does not apply: doc is missing ${what}: ${JSON.stringify(path)}: missing value`);
}

function invalid(why: string): StatusError {
  return new StatusError('Invalid', `the server rejected our request due to an error in our request: ${why}`, {});
}
