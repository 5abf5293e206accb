/** What an expression may name: variables, types, functions and macros. */
import type { MacroExpander } from './macros.ts';
import type { Overload } from './overload.ts';
import type { Type } from './types.ts';
import {
  boolType,
  bytesType,
  doubleType,
  dynType,
  intType,
  listType,
  mapType,
  nullType,
  stringType,
  timestampType,
  durationType,
  typeType,
  uintType,
} from './types.ts';

export interface Library {
  /** By function name. */
  readonly overloads: readonly Overload[];
  readonly types?: readonly Type[];
  /** By `name:arguments:isMethod`; `*` stands for any number of arguments. */
  readonly macros?: Readonly<Record<string, MacroExpander>>;
}

export interface EnvironmentOptions {
  readonly variables?: Readonly<Record<string, Type>>;
  /** Structs that an expression may name. */
  readonly types?: readonly Type[];
  readonly libraries?: readonly Library[];
  /** Names are looked up in it first: `a.b` makes `c` mean `a.b.c`, `a.c`, `c`. */
  readonly container?: string;
  /** Lists and maps may be written with items of several types; Kubernetes' may not, but as arguments of `format`. */
  readonly mixedLiterals?: boolean;
}

export class Environment {
  readonly variables: ReadonlyMap<string, Type>;
  readonly types: ReadonlyMap<string, Type>;
  readonly functions: ReadonlyMap<string, readonly Overload[]>;
  readonly macros: ReadonlyMap<string, MacroExpander>;
  readonly container: string;
  readonly mixedLiterals: boolean;

  constructor(options: EnvironmentOptions, base?: Environment) {
    this.container = options.container ?? base?.container ?? '';
    this.mixedLiterals = options.mixedLiterals ?? base?.mixedLiterals ?? false;
    this.variables = new Map([...(base?.variables ?? []), ...Object.entries(options.variables ?? {})]);
    const types = new Map(base?.types ?? builtinTypes);
    for (const type of options.types ?? []) types.set(type.name, type);
    const functions = new Map<string, readonly Overload[]>(base?.functions);
    const macros = new Map(base?.macros);
    for (const library of options.libraries ?? []) {
      for (const type of library.types ?? []) types.set(type.name, type);
      for (const one of library.overloads) functions.set(one.function, [...(functions.get(one.function) ?? []), one]);
      for (const [key, expander] of Object.entries(library.macros ?? {})) macros.set(key, expander);
    }
    this.types = types;
    this.functions = functions;
    this.macros = macros;
  }

  /** The same, with more. */
  extend(options: EnvironmentOptions): Environment {
    return new Environment(options, this);
  }

  /** The full names that `name` may stand for, in order. */
  candidates(name: string): string[] {
    if (name.startsWith('.')) return [name.slice(1)];
    if (this.container === '') return [name];
    const parts = this.container.split('.');
    return [...parts.map((_, i) => `${parts.slice(0, parts.length - i).join('.')}.${name}`), name];
  }
}

const builtinTypes = new Map(
  [
    boolType,
    intType,
    uintType,
    doubleType,
    stringType,
    bytesType,
    nullType,
    dynType,
    timestampType,
    durationType,
    typeType,
  ]
    .map((type) => [type.name, type] as const)
    .concat([
      ['list', listType(dynType)],
      ['map', mapType(dynType, dynType)],
    ]),
);
