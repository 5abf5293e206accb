/**
 * Errors as the API speaks them: meta/v1 `Status` with a reason from a closed table. Messages follow the words of
 * apimachinery's `errors` package so that clients that match on them keep working.
 */
import { qualifiedResource } from './meta.ts';

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string; resourceVersion?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** Every reason, and the HTTP status it travels with. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof statusCodes;

/** What is not known is left out. */
function withoutEmpty(details: StatusDetails): StatusDetails {
  const { name, group, ...others } = details;
  return { ...(name && { name }), ...(group && { group }), ...others };
}

type GroupResource = { group: string; resource: string };
type GroupKind = { group: string; kind: string };

export class StatusError extends Error {
  readonly reason: StatusReason | '';
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** `Gone` list answers carry a fresh continue token here. */
  readonly continue: string | undefined;

  constructor(
    reason: StatusReason | '',
    message: string,
    details?: StatusDetails,
    more: { code?: number; continue?: string } = {},
  ) {
    super(message);
    this.name = 'StatusError';
    this.reason = reason;
    this.code = more.code ?? (reason === '' ? 500 : statusCodes[reason]);
    this.details = details;
    this.continue = more.continue;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: 'Failure',
      message: this.message,
      ...(this.reason !== '' && { reason: this.reason }),
      ...(this.details && { details: withoutEmpty(this.details) }),
      code: this.code,
    };
  }

  /** Rebuilds the error that a `Status` answer carries. */
  static fromStatus(status: Status): StatusError {
    return new StatusError((status.reason ?? '') as StatusReason | '', status.message ?? 'unknown', status.details, {
      code: status.code,
      continue: status.metadata?.continue,
    });
  }

  static badRequest(message: string): StatusError {
    return new StatusError('BadRequest', message);
  }
  static unauthorized(message = 'Unauthorized'): StatusError {
    return new StatusError('Unauthorized', message);
  }
  static forbidden(of: GroupResource, name: string, why: string): StatusError {
    const what =
      name === '' ? `${qualifiedResource(of)} is forbidden` : `${qualifiedResource(of)} "${name}" is forbidden`;
    return new StatusError('Forbidden', `${what}: ${why}`, { name, group: of.group, kind: of.resource });
  }
  static notFound(of: GroupResource, name: string): StatusError {
    return new StatusError('NotFound', `${qualifiedResource(of)} "${name}" not found`, {
      name,
      group: of.group,
      kind: of.resource,
    });
  }
  static noSuchPath(): StatusError {
    return new StatusError('NotFound', 'the server could not find the requested resource', {});
  }
  static methodNotAllowed(of: GroupResource, verb: string): StatusError {
    return new StatusError(
      'MethodNotAllowed',
      `${verb} is not supported on resources of kind "${qualifiedResource(of)}"`,
      {
        group: of.group,
        kind: of.resource,
      },
    );
  }
  static alreadyExists(of: GroupResource, name: string): StatusError {
    return new StatusError('AlreadyExists', `${qualifiedResource(of)} "${name}" already exists`, {
      name,
      group: of.group,
      kind: of.resource,
    });
  }
  static conflict(of: GroupResource, name: string, why: string): StatusError {
    return new StatusError('Conflict', `Operation cannot be fulfilled on ${qualifiedResource(of)} "${name}": ${why}`, {
      name,
      group: of.group,
      kind: of.resource,
    });
  }
  static applyConflict(message: string, causes: StatusCause[]): StatusError {
    return new StatusError('Conflict', message, { causes });
  }
  static invalid(of: GroupKind, name: string, causes: StatusCause[]): StatusError {
    const told = causes.map((cause) => (cause.field ? `${cause.field}: ${cause.message}` : `${cause.message}`));
    const list = told.length === 1 ? told[0] : `[${told.join(', ')}]`;
    const kind = of.group === '' ? of.kind : `${of.kind}.${of.group}`;
    return new StatusError('Invalid', `${kind} "${name}" is invalid${told.length ? `: ${list}` : ''}`, {
      name,
      group: of.group,
      kind: of.kind,
      causes,
    });
  }
  static expired(message: string, freshContinue?: string): StatusError {
    return new StatusError('Expired', message, undefined, { continue: freshContinue });
  }
  static gone(message: string): StatusError {
    return new StatusError('Gone', message);
  }
  static tooLarge(message: string): StatusError {
    return new StatusError('RequestEntityTooLarge', message);
  }
  static unsupportedMediaType(message: string): StatusError {
    return new StatusError('UnsupportedMediaType', message);
  }
  static notAcceptable(message: string): StatusError {
    return new StatusError('NotAcceptable', message);
  }
  static tooManyRequests(message: string, retryAfterSeconds?: number, causes?: StatusCause[]): StatusError {
    return new StatusError('TooManyRequests', message, {
      ...(retryAfterSeconds && { retryAfterSeconds }),
      ...(causes && { causes }),
    });
  }
  static internal(message: string): StatusError {
    return new StatusError('InternalError', `Internal error occurred: ${message}`);
  }
  static serviceUnavailable(message: string): StatusError {
    return new StatusError('ServiceUnavailable', message);
  }
  static timeout(message: string): StatusError {
    return new StatusError('Timeout', message);
  }
}

export function isStatusError(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return (
    error instanceof StatusError && (reasons.length === 0 || (error.reason !== '' && reasons.includes(error.reason)))
  );
}

/** Causes worded as apimachinery's `field` package words them. */
export const cause = {
  required: (field: string, detail = ''): StatusCause => ({
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
    field,
  }),
  invalid: (field: string, value: unknown, detail: string): StatusCause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${shown(value)}${detail === '' ? '' : `: ${detail}`}`,
    field,
  }),
  typeInvalid: (field: string, value: unknown, detail: string): StatusCause => ({
    reason: 'FieldValueTypeInvalid',
    message: `Invalid value: ${shown(value)}: ${detail}`,
    field,
  }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): StatusCause => ({
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map((v) => JSON.stringify(v)).join(', ')}`,
    field,
  }),
  duplicate: (field: string, value: unknown): StatusCause => ({
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${shown(value)}`,
    field,
  }),
  forbidden: (field: string, detail: string): StatusCause => ({
    reason: 'FieldValueForbidden',
    message: `Forbidden: ${detail}`,
    field,
  }),
  notFound: (field: string, value: unknown): StatusCause => ({
    reason: 'FieldValueNotFound',
    message: `Not found: ${shown(value)}`,
    field,
  }),
  tooLong: (field: string, limit: number): StatusCause => ({
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${limit} bytes`,
    field,
  }),
  tooMany: (field: string, actual: number, limit: number): StatusCause => ({
    reason: 'FieldValueTooMany',
    message: `Too many: ${actual}: must have at most ${limit} items`,
    field,
  }),
};

function shown(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}
