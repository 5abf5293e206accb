/** Functions that expressions may call. */
import { parseType, splitTypes, type Type } from './types.ts';

/** Takes the target, if any, and the arguments. Throws EvaluationError. */
export type Implementation = (...args: any[]) => unknown;
/** What a call costs beyond its arguments; it is told the arguments and the result. */
export type CallCost = (args: readonly unknown[], result: unknown) => number;

export interface Overload {
  /** As upstream names it; static and runtime costs are looked up by it. */
  readonly id: string;
  readonly function: string;
  /** Called as `target.f(…)`; the target is the first parameter. */
  readonly member: boolean;
  readonly params: readonly Type[];
  readonly result: Type;
  /** Absent for those that the compiler knows itself. */
  readonly implementation?: Implementation;
  readonly cost?: CallCost;
}

type Declare = (id: string, signature: string, implementation?: Implementation, cost?: CallCost) => Overload;

/**
 * Makes an overload of what `signature` writes: `string.startsWith(string) -> bool` for a method, `size(list(A)) -> int` for
 * a function. A single capital letter is any type.
 */
export const overload: Declare = overloadWith(new Map());

/** The same, where signatures may name these types, too. */
export function overloadWith(types: ReadonlyMap<string, Type>): Declare {
  const typeOf = (text: string) => parseType(text, types);
  return (id, signature, implementation, cost) => {
    const arrow = signature.lastIndexOf(' -> ');
    const head = signature.slice(0, arrow);
    const { name, member, params } = headOf(head);
    const result = typeOf(signature.slice(arrow + 4));
    return { id, function: name, member, params: params.map(typeOf), result, implementation, cost };
  };
}

/** Names of functions that look like methods: `sets.contains(a, b)`. */
const namespaces = /^(strings|math|sets|optional|base64|ip|format|jsonpatch|lists|cel)$/;

function headOf(head: string): { name: string; member: boolean; params: string[] } {
  const method = /^[_!@-]/.test(head) ? null : /^(.+)\.(@?[A-Za-z_]\w*)\((.*)\)$/.exec(head);
  const [, target = '', name = '', params = ''] = method ?? [];
  if (method && !namespaces.test(target)) return { name, member: true, params: [target, ...splitTypes(params)] };
  const open = head.indexOf('(');
  return { name: head.slice(0, open), member: false, params: splitTypes(head.slice(open + 1, -1)) };
}
