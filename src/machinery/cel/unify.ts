/** Which types fit where, and what type parameters stand for. */
import { dynType, isDyn, listType, mapType, sameType, Type, typeOf } from './types.ts';

/** What each type parameter stands for, by name. */
export type Bindings = ReadonlyMap<string, Type>;

/** Bindings that can be taken back: an attempt that fails leaves no trace. */
export class Unifier {
  readonly bindings = new Map<string, Type>();
  /** What was bound before, latest last. */
  readonly #undo: [string, Type | undefined][] = [];

  get(name: string): Type | undefined {
    return this.bindings.get(name);
  }

  set(name: string, type: Type): void {
    this.#undo.push([name, this.bindings.get(name)]);
    this.bindings.set(name, type);
  }

  /** Whether `types` can be given where `wanted` are asked for; parameters are bound so that they can. */
  assignAll(types: readonly Type[], wanted: readonly Type[]): boolean {
    const fit = fitAll(this, types, wanted);
    for (const [name, before] of this.#undo.splice(0).toReversed()) {
      if (fit) break;
      if (before) this.bindings.set(name, before);
      else this.bindings.delete(name);
    }
    return fit;
  }

  assign(type: Type, wanted: Type): boolean {
    return this.assignAll([type], [wanted]);
  }
}

function fitAll(bindings: Unifier, types: readonly Type[], wanted: readonly Type[]): boolean {
  return types.length === wanted.length && types.every((type, i) => fits(bindings, type, wanted[i] as Type));
}

function fits(bindings: Unifier, type: Type, wanted: Type): boolean {
  if (wanted.kind === 'param') {
    const found = bind(bindings, type, wanted);
    if (found.valid) return true;
    if (found.bound) return false;
  }
  if (type.kind === 'param') return bind(bindings, wanted, type).valid;
  if (isDyn(type) || isDyn(wanted)) return true;
  if (type.kind === 'null') return takesNull(wanted);
  if (wanted.kind === 'null') return takesNull(type);
  if (type.kind !== wanted.kind) return false;
  if (type.kind === 'type') return true;
  return type.name === wanted.name && fitAll(bindings, type.params, wanted.params);
}

function takesNull(type: Type): boolean {
  return ['null', 'opaque', 'struct', 'duration', 'timestamp'].includes(type.kind);
}

function bind(bindings: Unifier, type: Type, param: Type): { valid: boolean; bound: boolean } {
  if (sameType(type, param)) return { valid: true, bound: true };
  const known = bindings.get(param.name);
  if (known) {
    if (sameType(type, known)) return { valid: true, bound: true };
    if (!fits(bindings, type, known)) return { valid: false, bound: true };
    const general = mostGeneral(type, known);
    if (!occurs(bindings, param, general)) bindings.set(param.name, general);
    return { valid: true, bound: true };
  }
  if (occurs(bindings, param, type)) return { valid: false, bound: false };
  bindings.set(param.name, type);
  return { valid: true, bound: false };
}

function occurs(bindings: Unifier, param: Type, within: Type): boolean {
  if (sameType(param, within)) return true;
  if (within.kind === 'param') {
    const known = bindings.get(within.name);
    return known !== undefined && occurs(bindings, param, known);
  }
  return within.params.some((inner) => occurs(bindings, param, inner));
}

export function mostGeneral(a: Type, b: Type): Type {
  return lessSpecific(a, b) ? a : b;
}

function lessSpecific(a: Type, b: Type): boolean {
  if (a.kind === 'dyn' || a.kind === 'param') return true;
  if (b.kind === 'dyn' || b.kind === 'param' || a.kind !== b.kind) return false;
  if (a.kind === 'type') return true;
  return (
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => lessSpecific(param, b.params[i] as Type))
  );
}

/** The type with its parameters replaced by what they stand for; with `free`, unknown ones become dyn. */
export function substitute(bindings: Bindings, type: Type, free = false): Type {
  if (type.kind === 'param') {
    const known = bindings.get(type.name);
    return known ? substitute(bindings, known, free) : free ? dynType : type;
  }
  if (type.params.length === 0) return type;
  const params = type.params.map((param) => substitute(bindings, param, free));
  if (params.every((param, i) => param === type.params[i])) return type;
  const first = params[0] as Type;
  if (type.kind === 'list') return listType(first);
  if (type.kind === 'map') return mapType(first, params[1] as Type);
  return type.kind === 'type' ? typeOf(first) : new Type(type.kind, type.name, params);
}
