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

/**
 * An overload, as `signature` writes it: `string.startsWith(string) -> bool` for a method, `size(list(A)) -> int` for a
 * function.
 */
export function overload(id: string, signature: string, implementation?: Implementation, cost?: CallCost): Overload {
  const arrow = signature.lastIndexOf(' -> ');
  const head = signature.slice(0, arrow);
  const result = parseType(signature.slice(arrow + 4), signatureTypes);
  const method = /^(.+)\.(@?[A-Za-z_]\w*)\((.*)\)$/.exec(head);
  const target = method?.[1] as string | undefined;
  if (method && target !== undefined && !/^[_!@-]/.test(head) && isReceiver(target)) {
    const params = [target, ...splitTypes(method[3] as string)];
    return build(id, method[2] as string, true, params, result, implementation, cost);
  }
  const open = head.indexOf('(');
  return build(id, head.slice(0, open), false, splitTypes(head.slice(open + 1, -1)), result, implementation, cost);
}

/** Types that libraries bring; a signature may name them. */
export const signatureTypes = new Map<string, Type>();

function isReceiver(text: string): boolean {
  return !/^(strings|math|sets|optional|base64|ip|format|jsonpatch|lists|cel)$/.test(text);
}

function build(
  id: string,
  name: string,
  member: boolean,
  params: string[],
  result: Type,
  implementation?: Implementation,
  cost?: CallCost,
): Overload {
  const types = params.map((param) => parseType(param, signatureTypes));
  return { id, function: name, member, params: types, result, implementation, cost };
}
