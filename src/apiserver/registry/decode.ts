/** From what a client sent to an object of a kind: checked, pruned, defaulted. */
import { DecodeError, decoderOf, type Kind, validatorOf } from '../../api/index.ts';
import { type AnyObject, apiVersionOf, cause, isObject, type StatusCause, StatusError } from '../../machinery/index.ts';
import type { PatchType, ResourceCall } from './context.ts';

type DecodeContext = Pick<ResourceCall, 'options' | 'duplicates' | 'warn'> & {
  /** The object is what this patch made of it. */
  readonly patchType?: PatchType;
  readonly body?: unknown;
  /** Unknown fields are for somebody else to refuse: nothing is said of them. */
  readonly leavesUnknown?: boolean;
};

/**
 * Takes a parsed body as an object of `kind`, changing it in place: unknown fields are dropped and, as `fieldValidation`
 * asks, warned of or refused.
 */
export function decode(kind: Kind, body: unknown, call: DecodeContext): AnyObject {
  if (!isObject(body)) throw StatusError.badRequest(`the request body must be an object of kind ${kind.kind}`);
  const apiVersion = apiVersionOf(kind);
  if (body.apiVersion === undefined) body.apiVersion = apiVersion;
  if (body.kind === undefined) body.kind = kind.kind;
  if (body.apiVersion !== apiVersion || body.kind !== kind.kind)
    throw StatusError.badRequest(
      `the object provided is a ${worded(body.apiVersion)} ${worded(body.kind)}; a ${apiVersion} ${kind.kind} is expected here`,
    );
  const unknown: string[] = [];
  const problem = take(kind, body, (path) => unknown.push(path));
  if (problem !== undefined && call.patchType === 'strategic') throw unfit(call.body, problem.converting);
  if (problem !== undefined)
    throw StatusError.badRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${problem.message}`,
    );
  const { duplicates = [] } = call;
  const told = call.leavesUnknown === true ? [] : unknown;
  if (told.length > 0 || duplicates.length > 0) tellOf(told, duplicates, call);
  body.metadata ??= {};
  return body as AnyObject;
}

/** Answers what makes it unreadable. */
function take(
  kind: Kind,
  body: unknown,
  onUnknown: (path: string) => void,
): Pick<DecodeError, 'message' | 'converting'> | undefined {
  if (kind.custom !== undefined) {
    const message = validatorOf(kind.schema).take(body, onUnknown);
    return message === undefined ? undefined : { message, converting: message };
  }
  try {
    decoderOf(kind.schema)(body, onUnknown);
    return undefined;
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

function tellOf(unknown: readonly string[], duplicates: readonly string[], call: DecodeContext): void {
  const mode = call.options.fieldValidation ?? 'Warn';
  if (mode === 'Ignore') return;
  const messages = [
    ...unknown.slice(0, 100).map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
  if (mode === 'Strict') throw StatusError.badRequest(`strict decoding error: ${messages.join(', ')}`);
  for (const message of messages) call.warn(message);
}

/** A strategic merge patch whose outcome is no object of the kind. */
function unfit(patch: unknown, why: string): StatusError {
  const causes = [cause.invalid('patch', goText(patch), why)];
  return StatusError.invalid({ group: '', kind: '' }, '', causes);
}

/** As Go prints values. */
function goText(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (!isObject(value)) return String(value);
  const fields = Object.keys(value).sort();
  return `map[${fields.map((name) => `${name}:${goText(value[name])}`).join(' ')}]`;
}

/** Throws `Invalid` when there is any cause. */
export function refuse(kind: Kind, name: string, causes: StatusCause[]): void {
  if (causes.length > 0) throw StatusError.invalid(kind, name, causes);
}

/** Text as it is, anything else (it may have no text of its own) as JSON. */
function worded(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
